"""ImageNet from your own copy: a folder of images and weights in torchvision's names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.problems.storage import require_file

from ..datasets.draws import drawn, permutation
from ..datasets.image_folder import Folder, Images
from ..networks.imagenet_mobilenetv2 import mobilenet_v2
from ..networks.imagenet_resnet import resnet18, resnet50
from .accuracy import Accuracy
from .base import Workload, cross_entropy
from .devices import own_gpu

NETWORKS: dict[str, tuple[Callable[[int], nn.Module], str]] = {
    "resnet18": (resnet18, "fc.weight"),
    "resnet50": (resnet50, "fc.weight"),
    "mobilenetv2": (mobilenet_v2, "classifier.1.weight"),
}
"""Builder of each network, and the weight whose rows are the classes."""

BATCH = 64

WORKERS = min(os.cpu_count() or 1, 16)
"""Processes that read images."""


def imagenet_workload(network: str, root: Path, weights: Path, test: int | None = None) -> Workload:
    """A network on ImageNet's images, on the first GPU or that of ``LOCAL_RANK``, else the CPU.

    Calibration draws training images with the centre crop; training uses random crops.

    Args:
        network: a key of `NETWORKS`.
        root: folder with ``train/CLASS/*`` and ``val/CLASS/*``.
        weights: state dict in torchvision's names, ``.pth`` or ``.safetensors``.
        test: number of validation images, drawn once at random; None for all.

    Raises:
        UnsupportedError: there is no such network.
        DataError: folder or weights are missing, damaged, or do not fit each other.
    """
    train, val = Folder(root / "train"), Folder(root / "val")
    model, digest = load_network(network, weights)
    outputs = model.get_parameter(NETWORKS[network][1]).shape[0]
    if not len(train.classes) == len(val.classes) == outputs:
        raise DataError(
            f"{root} has {len(train.classes)} classes in train and {len(val.classes)} in val, "
            f"but the weights have {outputs}; all three must agree"
        )
    device = own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    loader = _Loader(device, WORKERS)
    chosen = sorted(permutation(len(val.files), 0).tolist()[:test])

    def calibration(samples: int, seed: int) -> list[Any]:
        places = drawn(len(train.files), samples, seed)
        return list(loader.batches(Images(train, places.tolist())))

    def training(seed: int) -> _Epoch:
        places = permutation(len(train.files), seed)
        return _Epoch(loader, Images(train, places.tolist(), seed))

    def evaluate(quantized: nn.Module) -> Accuracy:
        correct = 0
        with torch.inference_mode():
            for images, labels in loader.batches(Images(val, chosen)):
                correct += int((quantized(images).argmax(dim=1) == labels).sum())
        return Accuracy(correct, len(chosen))

    return Workload(
        name=network,
        title=f"{network} on ImageNet ({len(chosen):,} validation images)",
        model=loader.place(model),
        calibration=calibration,
        loss=cross_entropy,
        evaluate=evaluate,
        provenance={
            "data": f"{len(train.files):,} and {len(val.files):,} images",
            "data_sha256": hashlib.sha256((train.sha256 + val.sha256).encode()).hexdigest(),
            "checkpoint": weights.name,
            "checkpoint_sha256": digest,
            "test": f"{len(chosen)} images",
        },
        training=training,
    )


def load_network(network: str, weights: Path) -> tuple[nn.Module, str]:
    """The network with the weights of a file, and the file's sha256."""
    if network not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise UnsupportedError(f"no ImageNet network is named {network!r}; choose one of: {known}")
    build, last = NETWORKS[network]
    state = _read_state(weights)
    if last not in state or state[last].ndim != 2:
        raise DataError(f"{weights} has no {last}; expected torchvision's state dict of {network}")
    model = build(len(state[last]))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise DataError(f"{weights} does not fit {network}: {first}") from error
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return model.eval().requires_grad_(False), digest


def _read_state(path: Path) -> dict[str, Tensor]:
    require_file(path, missing="no such file; give the downloaded state dict")
    try:
        if path.suffix == ".safetensors":
            found: Any = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load names no set of exceptions for damaged files
        raise DataError(f"{path} cannot be read as weights; download it again") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise DataError(f"{path} holds no state dict of tensors")
    return {name.removeprefix("module."): value for name, value in found.items()}


@dataclass(frozen=True)
class _Loader:
    """Reads batches in their order and puts them on the device."""

    device: torch.device
    workers: int

    def place(self, value: Any) -> Any:
        """A network or images on the device, channels last on a GPU.

        On a CPU that format crashes torch 2.13 in the backward pass of narrow convolutions.
        """
        gpu = self.device.type == "cuda"
        layout = torch.channels_last if gpu else torch.preserve_format
        return value.to(self.device, memory_format=layout, non_blocking=True)

    def batches(self, images: Images, drop_last: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            images, BATCH, num_workers=self.workers, drop_last=drop_last,
            pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        for x, y in loader:
            yield self.place(x), y.to(self.device, non_blocking=True)


@dataclass(frozen=True, eq=False)
class _Epoch:
    """Batches of one pass over the training images; a small set makes one batch of all."""

    loader: _Loader
    images: Images

    def __len__(self) -> int:
        return max(1, len(self.images) // BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.loader.batches(self.images, drop_last=len(self.images) >= BATCH)
