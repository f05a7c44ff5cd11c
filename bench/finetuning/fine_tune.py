"""Fine-tuning of an allocation: quantization-aware training with learned steps."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import LayerInfo

from ..job.table_cache import QUANTIZER
from ..training.state import resume, save_state
from ..workloads.base import Workload
from .quantized_training import QuantizedTraining

CALIBRATION = 256
"""Samples that the steps of inputs are first fitted to."""


@dataclass(frozen=True)
class FineTuning:
    """How an allocation is fine-tuned: SGD with Nesterov momentum on the workload's loss.

    The learning rate falls linearly to almost 0 over all steps. Batch normalisation trains as
    usual: batch statistics in training, the running ones updated and used by the result. Weight
    decay goes to what has two axes or more, so to no step, bias or normalisation.

    Args:
        batches: batches of an epoch that are used, from its beginning; None for all.
        input_bits: bits of the layers' inputs where the plan names none; None for float.
    """

    epochs: int = 1
    batches: int | None = None
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    input_bits: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} of a fine-tuning must be 1 or more, got {value}")
        if self.input_bits is not None and not 2 <= self.input_bits <= 16:
            raise DataError(f"inputs take 2 to 16 bits, got {self.input_bits}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise DataError(f"a learning rate must be above 0, got {self.learning_rate}")


@dataclass
class FineTunedNetwork:
    """What a fine-tuning gave.

    Args:
        losses: mean training loss of every epoch.
    """

    network: nn.Module
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fine_tune(
    workload: Workload,
    layers: Sequence[LayerInfo],
    allocation: Mapping[str, int | str],
    tuning: FineTuning,
    *,
    seed: int = 0,
    partial: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FineTunedNetwork:
    """Train the network with its weights quantized as allocated.

    The same arguments, library versions and threads give the same weights, interrupted or not.

    Args:
        allocation: layer name -> choice; layers left out stay in float.
        seed: of order and augmentation, through ``workload.training``, and of dropout.
        partial: file that keeps the state after every epoch; an existing one is resumed.

    Raises:
        UnsupportedError: the workload has no training batches.
        DataError: `partial` belongs to another fine-tuning, or the loss is not finite.
    """
    if workload.training is None:
        raise UnsupportedError(
            f"the workload {workload.name} has no training batches to fine-tune with; give its "
            "Workload a `training` function"
        )
    model = untrained(workload, layers, allocation, tuning, seed)
    optimizer = _optimizer(model, tuning)
    key = _key(workload, allocation, tuning, seed)
    progress = resume(partial, key, model, optimizer)
    losses, seconds = progress.get("losses", []), progress.get("seconds", 0.0)
    for epoch in range(len(losses), tuning.epochs):
        start = time.perf_counter()
        losses.append(_epoch(model, optimizer, workload, tuning, epoch, seed, say))
        seconds += time.perf_counter() - start
        if not math.isfinite(losses[-1]):
            raise DataError(f"the loss of epoch {epoch + 1} is {losses[-1]}; lower the rate")
        if partial is not None and epoch + 1 < tuning.epochs:
            progress = {"losses": losses, "seconds": seconds}
            save_state(partial, key, model, optimizer, progress)
    return FineTunedNetwork(model.finished(), losses, seconds)


def untrained(
    workload: Workload,
    layers: Sequence[LayerInfo],
    allocation: Mapping[str, int | str],
    tuning: FineTuning,
    seed: int = 0,
) -> QuantizedTraining:
    """What the training starts from; arguments as for `fine_tune`."""
    model = QuantizedTraining(workload.model, layers, allocation, QUANTIZER)
    model.quantize_inputs(workload, tuning.input_bits, CALIBRATION, seed)
    return model


def _optimizer(model: QuantizedTraining, tuning: FineTuning) -> torch.optim.SGD:
    steps = {id(p) for p in (*model.weight_steps.parameters(), *model.input_steps.parameters())}
    trained = list(model.parameters())
    decayed = [p for p in trained if p.ndim > 1 and id(p) not in steps]
    others = [p for p in trained if p.ndim <= 1 or id(p) in steps]
    return torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": tuning.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=tuning.learning_rate,
        momentum=tuning.momentum,
        nesterov=tuning.momentum > 0,
    )


def _epoch(
    model: QuantizedTraining,
    optimizer: torch.optim.SGD,
    workload: Workload,
    tuning: FineTuning,
    epoch: int,
    seed: int,
    say: Callable[[str], None],
) -> float:
    """One pass; returns the mean loss."""
    assert workload.training is not None
    epoch_seed = seed * 1_000_003 + epoch
    data = workload.training(epoch_seed)
    steps = len(data) if tuning.batches is None else min(tuning.batches, len(data))
    if not steps:
        raise DataError(f"the training data of {workload.name} do not fill one batch")
    total, begun = 0.0, time.perf_counter()
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(epoch_seed)
        for step, batch in enumerate(islice(iter(data), steps)):
            part = 1 - (epoch * steps + step + 0.5) / (tuning.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = tuning.learning_rate * part
            loss = workload.loss(workload.forward(model, batch), batch).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item()
            if (step + 1) % 10 == 0:
                left = (
                    (time.perf_counter() - begun)
                    / (step + 1)
                    * (tuning.epochs * steps - epoch * steps - step - 1)
                )
                say(f"epoch {epoch + 1}, step {step + 1} of {steps}, {left:.0f} s left")
    return total / steps


def _key(
    workload: Workload, allocation: Mapping[str, int | str], tuning: FineTuning, seed: int
) -> str:
    content = {
        "workload": dict(workload.provenance) | {"name": workload.name},
        "allocation": {layer: str(choice) for layer, choice in allocation.items()},
        "tuning": asdict(tuning),
        "quantizer": QUANTIZER.describe(),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
