"""Workloads: a trained network with its data, its loss and its accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.batches import device_of, placed

from ..datasets.draws import drawn
from ..datasets.fashion_mnist import ImageSet, load_fashion_mnist, normalise
from .accuracy import Accuracy
from .recipe import Epoch, Recipe

CALIBRATION_BATCH = 64
# Fastest for both networks on one thread: larger activations fall out of the cache.
EVALUATION_BATCH = 100


class Batches(Protocol):
    """Batches of known number, such as a list or a `torch.utils.data.DataLoader`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


def _forward(model: nn.Module, batch: Any) -> Any:
    return model(batch[0])


@dataclass(frozen=True)
class Workload:
    """A network with all that is needed to quantize it and to measure the result.

    Args:
        calibration: ``calibration(samples, seed)`` draws batches of training data, in all that
            many samples, without replacement; equal arguments give equal batches.
        loss: ``loss(output, batch)`` gives the loss of every sample, ``(N,)``.
        provenance: what the numbers rest on, such as hashes of the checkpoint and the data.
        forward: ``forward(model, batch)`` gives the output; by default ``model(batch[0])``.
        notes: sentences that belong beside the measured accuracies.
        training: ``training(seed)`` gives the batches of one epoch, shuffled and augmented; equal
            seeds give equal batches. Without it the network cannot be fine-tuned.
        test: ``test()`` gives the batches of the test set, each in the form of calibration's with
            the right answers second. Without it plans cannot be compared answer by answer.
        like: a GGUF file of the network, whose metadata `bitknap export --to gguf` takes over.
    """

    name: str
    title: str
    model: nn.Module
    calibration: Callable[[int, int], list[Any]]
    loss: Callable[[Any, Any], Tensor]
    evaluate: Callable[[nn.Module], Accuracy]
    provenance: Mapping[str, str] = field(default_factory=dict)
    forward: Callable[[nn.Module, Any], Any] = _forward
    notes: tuple[str, ...] = ()
    training: Callable[[int], Batches] | None = None
    test: Callable[[], Iterable[Any]] | None = None
    like: Path | None = None

    def accuracy(self, network: nn.Module) -> Accuracy:
        """What ``evaluate`` says of a network.

        Raises:
            DataError: it returns something else than an `Accuracy`.
        """
        found: Any = self.evaluate(network)
        if not isinstance(found, Accuracy):
            raise DataError(
                f"evaluate of the workload {self.name} must return bitknap.bench.Accuracy(correct, "
                f"total), got {type(found).__name__}"
            )
        return found

    def on(self, device: torch.device) -> Workload:
        """This workload with network and calibration data on a device.

        ``evaluate`` is given networks on that device.
        """

        def calibration(samples: int, seed: int) -> list[Any]:
            return [placed(batch, device) for batch in self.calibration(samples, seed)]

        return replace(self, model=self.model.to(device), calibration=calibration)


def classification_accuracy(
    model: nn.Module, images: ImageSet, batch: int = EVALUATION_BATCH
) -> Accuracy:
    """Share of the images whose largest logit is that of their class (the first, if several are).

    Args:
        model: maps normalised images ``(N, 1, 28, 28)`` to logits; its mode is left as it was.
    """
    was_training = model.training
    model.eval()
    right, device = [], device_of(model)
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            x = normalise(images.images[start : start + batch])
            logits = model(x.to(device, memory_format=torch.channels_last))
            right.append(logits.argmax(dim=1).cpu() == images.labels[start : start + batch])
    model.train(was_training)
    return Accuracy.of(torch.cat(right))


def draw(images: ImageSet, samples: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Draw images at random, without replacement, in batches of 64.

    A smaller draw with the same seed is the beginning of a larger one.

    Args:
        samples: how many, at least 1 and at most all.

    Returns:
        Batches ``(x, y)``: x ``(<= 64, 1, 28, 28)`` float32, normalised; y int64.

    Raises:
        DataError: `samples` is out of range.
    """
    some = images.take(drawn(len(images), samples, seed))
    return list(in_batches(some, CALIBRATION_BATCH))


def in_batches(images: ImageSet, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches ``(x, y)`` in order: x ``(<= size, 1, 28, 28)`` float32, normalised; y int64."""
    images_of, labels_of = (torch.split(t, size) for t in (images.images, images.labels))
    for x, y in zip(images_of, labels_of, strict=True):
        yield normalise(x), y


def cross_entropy(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of every sample, ``(N,)``."""
    return F.cross_entropy(output, batch[1], reduction="none")


def load_checkpoint(model: nn.Module, path: Path) -> str:
    """Load weights and buffers from a safetensors file; returns the file's sha256.

    Raises:
        DataError: the file is missing, damaged or of another network.
    """
    try:
        content = path.read_bytes()
        model.load_state_dict(safetensors.torch.load(content))
    except FileNotFoundError as error:
        raise DataError(f"the checkpoint {path} is missing; install bitknap again") from error
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        kind = type(model).__name__
        raise DataError(f"{path} is no checkpoint of {kind}; install bitknap again") from error
    return hashlib.sha256(content).hexdigest()


def fashion_classifier(title: str, recipe: Recipe, file: str, data: Path | None) -> Workload:
    """A trained classifier of Fashion-MNIST as a workload.

    Args:
        recipe: the network, which receives the weights of the checkpoint, and its training.
        file: of the workload; its name is that of the workload and of the checkpoint beside it.
        data: folder of the data set; by default it is looked for.

    Raises:
        DataError: data set or checkpoint is missing, damaged or another one.
    """
    checkpoint = Path(file).with_suffix(".safetensors")
    images = load_fashion_mnist(data)
    network = recipe.network()
    digest = load_checkpoint(network, checkpoint)
    network.eval()

    def calibration(samples: int, seed: int) -> list[Any]:
        return cast(list[Any], draw(images.train, samples, seed))

    return Workload(
        name=checkpoint.stem.replace("_", "-"),
        title=title,
        model=network,
        calibration=calibration,
        loss=cross_entropy,
        evaluate=lambda model: classification_accuracy(model, images.test),
        provenance={
            "data": "Fashion-MNIST",
            "data_sha256": images.sha256,
            "checkpoint": checkpoint.name,
            "checkpoint_sha256": digest,
        },
        training=lambda seed: Epoch(images.train, recipe, seed),
        test=lambda: (
            (x.to(memory_format=torch.channels_last), y)
            for x, y in in_batches(images.test, EVALUATION_BATCH)
        ),
    )
