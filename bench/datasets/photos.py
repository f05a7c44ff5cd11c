"""Labelled photos for ImageNet classifiers, read from packages that ship some."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bitknap.problems.errors import DataError
from bitknap.problems.storage import read_file

SIDE = 224
STAMPS = Path("/usr/share/tuxpaint/stamps")
WHITE = (255, 255, 255)
SMALLEST_CROP = 0.5
"""Smallest share of a photo's area that a random crop keeps."""


@dataclass(frozen=True)
class Photos:
    """Square colour photos, each with the ImageNet classes that count as right.

    Args:
        images: ``(N, 3, 224, 224)`` uint8.
        accepted: the accepted classes of each photo, 0 to 999; several where its name is loose.
    """

    images: Tensor
    accepted: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.accepted)


def load_photos(stamps: Path | None = None) -> Photos:
    """All photos that are installed: 20 of the package ``foolbox``, 129 of Tux Paint's stamps.

    Args:
        stamps: folder of Tux Paint's stamps; by default that of the Debian package, which may be
            missing: then the photos of ``foolbox`` are all.

    Raises:
        DataError: ``foolbox`` is not installed, or a named folder lacks the stamps.
    """
    found = [*_foolbox(), *_stamps(stamps)]
    digest = hashlib.sha256()
    for name, path, classes in found:
        digest.update(f"{name} {classes} ".encode() + hashlib.sha256(read_file(path)).digest())
    return Photos(
        images=torch.stack([read_square(path) for _, path, _ in found]),
        accepted=tuple(classes for _, _, classes in found),
        names=tuple(name for name, _, _ in found),
        sha256=digest.hexdigest(),
    )


def read_square(path: Path) -> Tensor:
    """``(3, 224, 224)`` uint8: what is transparent is white, white margins make it square.

    Raises:
        DataError: the file is not an image.
    """
    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA")
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image; install its package again") from error
    side = max(picture.size)
    square = Image.new("RGB", (side, side), WHITE)
    corner = ((side - picture.width) // 2, (side - picture.height) // 2)
    square.paste(picture, corner, mask=picture)
    scaled = square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(scaled).copy()).permute(2, 0, 1).contiguous()


def random_crops(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random square crop of each image, scaled back to its size, mirrored half of the time.

    A crop keeps between half of the area and all of it.

    Args:
        images: ``(N, 3, S, S)`` uint8.
    """
    side = images.shape[-1]
    crops = []
    for image in images:
        area, left, top, mirror = torch.rand(4, generator=generator).tolist()
        size = round(side * (SMALLEST_CROP + (1 - SMALLEST_CROP) * area) ** 0.5)
        x, y = round(left * (side - size)), round(top * (side - size))
        part = image[None, :, y : y + size, x : x + size].float()
        crop = torch.nn.functional.interpolate(
            part, size=(side, side), mode="bilinear", align_corners=False
        )[0]
        crops.append(crop.flip(-1) if mirror < 0.5 else crop)
    return torch.stack(crops).round().to(torch.uint8)


def _foolbox() -> Iterable[tuple[str, Path, tuple[int, ...]]]:
    """The photos in the package's files, whose names end in the class; it is not imported."""
    try:
        files = metadata.files("foolbox") or []
    except metadata.PackageNotFoundError:
        files = []
    found = [
        (file.name, Path(str(file.locate())), (int(match.group(1)),))
        for file in sorted(files, key=str)
        if (match := re.fullmatch(r"imagenet_\d+_(\d+)\.jpg", file.name))
    ]
    if not found:
        raise DataError(
            "there are no labelled photos: `pip install 'bitknap[imagenet]'`, and best also "
            "`apt-get install tuxpaint-stamps-default`"
        )
    return found


def _stamps(folder: Path | None) -> Iterable[tuple[str, Path, tuple[int, ...]]]:
    """The stamps that are photos and whose label is not in doubt."""
    source = resources.files("bitknap.bench.workloads").joinpath("stamps_imagenet.json")
    document = json.loads(source.read_text(encoding="utf-8"))
    left_out = {*document["drawing"], *document["doubtful"]}
    root = folder or STAMPS
    labels = {name: c for name, c in document["labels"].items() if name not in left_out}
    missing = [name for name in labels if not (root / name).is_file()]
    if missing and (folder is not None or root.is_dir()):
        raise DataError(
            f"{root} lacks {len(missing)} of {len(labels)} stamps, e.g. {missing[0]}; "
            "`apt-get install --reinstall tuxpaint-stamps-default`"
        )
    return [] if missing else [(name, root / name, tuple(c)) for name, c in labels.items()]
