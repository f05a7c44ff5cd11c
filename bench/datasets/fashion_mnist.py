"""Fashion-MNIST: found on this machine or downloaded, and always checked against its checksum."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitknap.problems.errors import DataError
from bitknap.problems.storage import write_atomically

from .draws import permutation

# Mean and standard deviation of the 60,000 training images, pixels in [0, 1].
MEAN = 0.2860
STANDARD_DEVIATION = 0.3530

SIDE = 28
CLASSES = 10
PACKAGE_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
ADDRESSES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
REMEDY = (
    "to have Fashion-MNIST, `apt-get install dataset-fashion-mnist`, or name its folder with "
    "--data DIR"
)


@dataclass(frozen=True)
class _File:
    """One IDX file: its name, shape and the sha256 of its uncompressed bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        """Magic number (0, 0, type 8 = unsigned byte, rank), then the lengths, big-endian."""
        lengths = b"".join(length.to_bytes(4, "big") for length in self.shape)
        return bytes((0, 0, 8, len(self.shape))) + lengths

    @property
    def size(self) -> int:
        return len(self.header) + int(np.prod(self.shape))


FILES = {
    "train_images": _File(
        "train-images-idx3-ubyte",
        (60_000, SIDE, SIDE),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train_labels": _File(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "test_images": _File(
        "t10k-images-idx3-ubyte",
        (10_000, SIDE, SIDE),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "test_labels": _File(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


@dataclass(frozen=True)
class ImageSet:
    """Grey images with their classes.

    Args:
        images: ``(N, 1, 28, 28)`` uint8, 0 black to 255 white.
        labels: ``(N,)`` int64, 0 to 9.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> ImageSet:
        """The images at ``index``, an int64 tensor, in its order."""
        return ImageSet(self.images[index], self.labels[index])


@dataclass(frozen=True)
class FashionMNIST:
    """Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothes.

    Args:
        sha256: hash of the contents of the four files, the same for any way of packing them.

    References:
        Xiao, Rasul, Vollgraf, arXiv 1708.07747.
    """

    train: ImageSet
    test: ImageSet
    sha256: str


def load_fashion_mnist(data: Path | None = None) -> FashionMNIST:
    """Load Fashion-MNIST.

    The folder is `data` if given, else the environment variable ``BITKNAP_DATA`` if set, else that
    of the Debian package ``dataset-fashion-mnist``, else a cache folder filled by download. Files
    are IDX, plain or ``.gz``. A given folder must contain them; no other place is tried.

    Raises:
        DataError: a file is missing, damaged or of another data set, or the download failed.
    """
    folder = _folder(data)
    contents = {key: _read(folder, file) for key, file in FILES.items()}
    arrays = {
        key: np.frombuffer(contents[key], np.uint8, offset=len(file.header)).reshape(file.shape)
        for key, file in FILES.items()
    }
    digest = hashlib.sha256("".join(file.sha256 for file in FILES.values()).encode()).hexdigest()
    return FashionMNIST(
        train=_image_set(arrays["train_images"], arrays["train_labels"]),
        test=_image_set(arrays["test_images"], arrays["test_labels"]),
        sha256=digest,
    )


def hold_out(train: ImageSet, count: int = 5_000, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Split a training set into what is trained on and `count` images for validation.

    Returns:
        The rest (55,000 by default) and the validation set.
    """
    order = permutation(len(train), seed)
    return train.take(order[count:]), train.take(order[:count])


def normalise(images: Tensor) -> Tensor:
    """Map uint8 pixels to float32 of mean 0 and variance 1: ``(x / 255 - mean) / deviation``."""
    return images.float().mul_(1 / (255 * STANDARD_DEVIATION)).sub_(MEAN / STANDARD_DEVIATION)


def cache_directory() -> Path:
    """The folder of downloads: ``$XDG_CACHE_HOME/bitknap``, by default ``~/.cache/bitknap``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bitknap"


def _folder(data: Path | None) -> Path:
    named = data if data is not None else os.environ.get("BITKNAP_DATA")
    if named:
        if not Path(named).is_dir():
            raise DataError(f"the data folder {named} does not exist; {REMEDY}")
        return Path(named)
    if all(_find(PACKAGE_DIRECTORY, file) for file in FILES.values()):
        return PACKAGE_DIRECTORY
    cache = cache_directory() / "fashion-mnist"
    for file in FILES.values():
        if _find(cache, file) is None:
            _download(file, cache)
    return cache


def _find(folder: Path, file: _File) -> Path | None:
    for path in (folder / file.name, folder / f"{file.name}.gz"):
        if path.is_file():
            return path
    return None


def _read(folder: Path, file: _File) -> bytes:
    path = _find(folder, file)
    if path is None:
        raise DataError(f"{folder} has no {file.name} or {file.name}.gz; {REMEDY}")
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as stream:
            content = bytes(stream.read(file.size + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); {REMEDY}") from error
    _check(content, file, str(path))
    return content


def _check(content: bytes, file: _File, where: str) -> None:
    """Compare header, size and checksum with what the data set has."""
    if content[: len(file.header)] != file.header:
        shape = " x ".join(map(str, file.shape))
        raise DataError(f"{where} is not an IDX file of {shape} unsigned bytes; {REMEDY}")
    if len(content) != file.size:
        held = f"{len(content):,}" if len(content) < file.size else f"more than {file.size:,}"
        raise DataError(f"{where} holds {held} bytes, expected {file.size:,}; {REMEDY}")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{where} is not Fashion-MNIST: its checksum differs; {REMEDY}")


def _download(file: _File, cache: Path) -> None:
    """Download one file into the cache; it appears there only when complete and checked."""
    failures = []
    for base in ADDRESSES:
        address = f"{base}{file.name}.gz"
        print(f"downloading {address}", file=sys.stderr)
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                packed = answer.read(file.size + 4096)
            with gzip.open(io.BytesIO(packed)) as stream:
                _check(bytes(stream.read(file.size + 1)), file, address)
            write_atomically(cache / f"{file.name}.gz", packed)
        except (OSError, EOFError, zlib.error, DataError) as error:
            failures.append(str(getattr(error, "reason", error)))
        else:
            return
    reasons = " and ".join(dict.fromkeys(failures))
    raise DataError(f"Fashion-MNIST is not here and cannot be downloaded ({reasons}); {REMEDY}")


def _image_set(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> ImageSet:
    return ImageSet(
        images=torch.from_numpy(images.copy()).unsqueeze(1),
        labels=torch.from_numpy(labels.astype(np.int64)),
    )
