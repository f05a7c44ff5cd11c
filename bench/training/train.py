"""Training of the built-in networks, reproducibly and on one CPU thread.

``python -m bitknap.bench.training.train --workload fashion-resnet18 --out FILE`` writes the
checkpoint that ships with the workload, and its training record beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

from bitknap.problems.catalogue import Catalogue
from bitknap.problems.documents import save_document
from bitknap.problems.errors import BitknapError, DataError, UnsupportedError
from bitknap.problems.storage import write_atomically

from ..datasets.fashion_mnist import FashionMNIST, ImageSet, hold_out, load_fashion_mnist
from ..records.environment import machine, versions
from ..tables.terminal import Terminal
from ..workloads.base import classification_accuracy
from ..workloads.recipe import Epoch, Recipe, learning_rate
from .state import resume, save_state

FORMAT = "bitknap.training/1"

_console = Terminal(stderr=True)


@dataclass
class TrainingState:
    """Where a training stands: losses and times of the epochs done."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def train(
    train_set: ImageSet, recipe: Recipe, seed: int = 0, partial: Path | None = None
) -> tuple[nn.Module, TrainingState]:
    """Train a network.

    The same arguments, library versions and number of threads give the same weights, whether or
    not the training was interrupted.

    Args:
        partial: file that keeps the state after every epoch. If it exists the training resumes
            from there; removing it at the end is up to the caller.

    Returns:
        The network, in evaluation mode, and the losses and times of its epochs.

    Raises:
        DataError: `partial` belongs to another training, there is less than one batch, or the
            loss is no longer finite.
    """
    if len(train_set) < recipe.batch:
        raise DataError(f"{len(train_set)} images do not fill one batch of {recipe.batch}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = recipe.network()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(network, recipe)
    key = json.dumps(recipe.describe() | {"seed": seed, "images": len(train_set)})
    state = TrainingState(**resume(partial, key, network, optimizer))
    if state.losses:
        _console.print(f"resuming after epoch {len(state.losses)}, saved in {partial}")
    for epoch in range(len(state.losses), recipe.epochs):
        wall, cpu = time.perf_counter(), time.process_time()
        batches = Epoch(train_set, recipe, seed * 1_000_003 + epoch)
        loss = _train_epoch(network, optimizer, batches, recipe, epoch)
        if not math.isfinite(loss):
            raise DataError(f"the loss of epoch {epoch + 1} is {loss}: lower the learning rate")
        state.losses.append(loss)
        state.seconds += time.perf_counter() - wall
        state.cpu_seconds += time.process_time() - cpu
        _console.print(f"epoch {epoch + 1}/{recipe.epochs}: loss {loss:.4f}, {state.seconds:.0f} s")
        if partial is not None:
            save_state(partial, key, network, optimizer, dataclasses.asdict(state))
    return network.eval(), state


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Weight decay goes to the convolution and linear weights only (those with two axes up)."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0
    )


def _train_epoch(
    network: nn.Module, optimizer: torch.optim.SGD, batches: Epoch, recipe: Recipe, epoch: int
) -> float:
    """One pass over the training set; returns the mean loss."""
    network.train()
    steps = len(batches)
    total = 0.0
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch * steps + step, recipe.epochs * steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.autocast):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
    return total / steps


def _write_checkpoint(path: Path, network: nn.Module) -> str:
    """Write the weights and buffers as safetensors; returns the sha256 of the file."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    content: bytes = safetensors.torch.save(tensors)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def _run(options: argparse.Namespace, recipe: Recipe, data: FashionMNIST) -> dict[str, Any]:
    """Train, write checkpoint and record, and return the record."""
    out: Path = options.out
    partial = out.with_name(out.name + ".partial")
    train_set, held_out = hold_out(data.train) if options.holdout else (data.train, data.test)
    network, state = train(train_set, recipe, options.seed, partial)
    accuracy = classification_accuracy(network, held_out)
    content = {
        "workload": options.workload,
        "recipe": recipe.describe(),
        "seed": options.seed,
        "training_images": len(train_set),
        "losses": [round(loss, 6) for loss in state.losses],
        "evaluated_on": "validation" if options.holdout else "test",
        "correct": accuracy.correct,
        "total": accuracy.total,
        "parameters": sum(p.numel() for p in network.parameters()),
        "seconds": round(state.seconds, 1),
        "cpu_seconds": round(state.cpu_seconds, 1),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "versions": versions(),
        "checkpoint_sha256": _write_checkpoint(out, network),
        "data_sha256": data.sha256,
    }
    record = save_document(out.with_suffix(".json"), FORMAT, content, indent=2)
    partial.unlink(missing_ok=True)
    return record


def _recipe(workload: str, epochs: int | None) -> Recipe:
    try:
        recipe = Catalogue("bitknap.bench.workloads", "RECIPE", "workload", dashes=True).load(
            workload
        )
    except AttributeError as error:
        raise UnsupportedError(f"the workload {workload} has no RECIPE to train by") from error
    assert isinstance(recipe, Recipe)
    return recipe if epochs is None else dataclasses.replace(recipe, epochs=epochs)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bitknap.bench.training.train",
        description="Train the network of a workload and write its checkpoint and record.",
    )
    parser.add_argument("--workload", required=True, help="for example fashion-resnet18")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint, *.safetensors")
    parser.add_argument("--data", type=Path, help="folder of the Fashion-MNIST files")
    parser.add_argument("--epochs", type=int, help="default: as the recipe says")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument(
        "--holdout",
        action="store_true",
        help="train on 55,000 images and report on the other 5,000, not on the test set",
    )
    options = parser.parse_args(arguments)
    if options.out.suffix != ".safetensors":
        parser.error(f"--out {options.out} does not end in .safetensors")
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs {options.epochs} is less than 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, 2 bad input, 130 interrupted)."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    try:
        recipe = _recipe(options.workload, options.epochs)
        record = _run(options, recipe, load_fashion_mnist(options.data))
    except BitknapError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command resumes after the last whole epoch.", file=sys.stderr)
        return 130
    value = 100 * record["correct"] / record["total"]
    print(
        f"{record['evaluated_on']} accuracy {value:.2f} %, {record['seconds']:.0f} s, {options.out}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
