"""ImageNet's folder layout, and the standard preprocessing by PIL alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from bitknap.problems.errors import DataError

SUFFIXES = (".jpeg", ".jpg", ".png", ".ppm", ".bmp", ".webp")
SHORTER, CROP = 256, 224
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@dataclass(frozen=True)
class Folder:
    """Images in one folder per class; classes are numbered in the order of their names."""

    root: Path

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes' folders."""
        if not self.root.is_dir():
            raise DataError(
                f"{self.root} is not a folder; expected train/CLASS/*.JPEG and val/CLASS/*.JPEG"
            )
        found = tuple(sorted(path.name for path in self.root.iterdir() if path.is_dir()))
        if not found:
            raise DataError(f"{self.root} has no folders of classes; sort its images into them")
        return found

    @cached_property
    def files(self) -> tuple[tuple[Path, int], ...]:
        """Path and class of every image, sorted."""
        found = tuple(
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((self.root / name).rglob("*"))
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not found:
            raise DataError(f"{self.root} holds no images ({', '.join(SUFFIXES)})")
        return found

    @cached_property
    def sha256(self) -> str:
        """Hash of names and sizes of all files."""
        digest = hashlib.sha256()
        for path, _ in self.files:
            digest.update(f"{path.relative_to(self.root)} {path.stat().st_size}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Images(Dataset[tuple[Tensor, int]]):
    """Some images of a folder, preprocessed when they are read.

    Args:
        seed: of random crops and mirroring, which depend on seed and position only; None for the
            centre crop.
    """

    folder: Folder
    index: Sequence[int]
    seed: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        """``(3, 224, 224)`` float32, normalised, and the class."""
        position = self.index[number]
        path, label = self.folder.files[position]
        picture = read(path)
        if self.seed is None:
            return normalise(centre(picture)), label
        image_seed = self.seed * len(self.folder.files) + position
        return normalise(random_part(picture, torch.Generator().manual_seed(image_seed))), label


def read(path: Path) -> Image.Image:
    """An image in RGB.

    Raises:
        DataError: the file is not an image.
    """
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image; replace or remove it") from error


def centre(picture: Image.Image) -> Image.Image:
    """The shorter side scaled to 256 (bilinear), then the 224 x 224 in the middle."""
    width, height = picture.size
    shorter = min(width, height)
    size = (int(SHORTER * width / shorter), int(SHORTER * height / shorter))
    scaled = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - CROP) / 2), round((size[1] - CROP) / 2)
    return scaled.crop((left, top, left + CROP, top + CROP))


def random_part(picture: Image.Image, generator: torch.Generator) -> Image.Image:
    """A random part scaled to 224 x 224, mirrored half of the time: the usual augmentation.

    Of the area 8 to 100 %, of an aspect ratio between 3/4 and 4/3; the centre crop where ten
    draws do not fit.
    """
    width, height = picture.size
    for _ in range(10):
        area, aspect, x, y, mirror = torch.rand(5, generator=generator).tolist()
        pixels = width * height * (0.08 + 0.92 * area)
        ratio = math.exp(math.log(3 / 4) + aspect * math.log(16 / 9))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = round(x * (width - w)), round(y * (height - h))
            part = picture.resize(
                (CROP, CROP), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)
            )
            return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror < 0.5 else part
    return centre(picture)


def normalise(picture: Image.Image) -> Tensor:
    """``(3, H, W)`` float32: pixels in [0, 1] less ImageNet's mean, over its deviation."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    return (pixels.float() / 255 - MEAN) / DEVIATION
