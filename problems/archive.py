"""NPZ archives at the boundary: the declared sizes are checked before anything is unpacked."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .storage import LARGEST

Arrays = dict[str, NDArray[Any]]

KINDS = "biufU"
"""Kinds of arrays that are read: flags, integers, floats and text."""

_MEMBERS = 10_000
_HEADER = 10_000
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Member:
    """An array of an archive, as it is declared."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self) -> NDArray[Any]:
        """The array.

        Raises:
            ValueError: its bytes are damaged.
        """
        try:
            with self.archive.open(self.info) as stream:
                array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        except Exception as error:  # zipfile, zlib and numpy name no set for damaged bytes
            raise ValueError(f"{self.info.filename!r}: {_reason(error)}") from None
        if self.dtype.kind == "U" and array.size and self.dtype.itemsize:
            codes = np.ascontiguousarray(array).view(self.dtype.str.replace("U", "u")[:2] + "4")
            if ((codes >= 0xD800) & (codes <= 0xDFFF) | (codes > 0x10FFFF)).any():
                raise ValueError(f"{self.info.filename!r} holds codes that are not characters")
        return array


def open_archive(data: bytes) -> dict[str, Member]:
    """The arrays that an NPZ file declares, by name.

    Raises:
        ValueError: the bytes are not an archive of arrays, it is encrypted, its arrays are not
            those that numpy saves, or together they are larger than `LARGEST` bytes.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except Exception as error:
        raise ValueError(_reason(error)) from None
    total = sum(info.file_size for info in members)
    if total > LARGEST or len(members) > _MEMBERS:
        raise ValueError(
            f"{len(members):,} arrays of {total:,} bytes; at most {_MEMBERS:,} of {LARGEST:,} "
            "bytes together are read"
        )
    found: dict[str, Member] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        if info.flag_bits & 1:
            raise ValueError(f"{name!r} is encrypted")
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = _declared(archive, info, name)
    return found


def _declared(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Member:
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            shape, _, dtype = _HEADERS[version](stream, max_header_size=_HEADER)
            size = stream.tell() + math.prod(shape) * dtype.itemsize
    except Exception as error:
        raise ValueError(f"{name!r} is not an array ({_reason(error)})") from None
    if dtype.kind not in KINDS:
        raise ValueError(f"{name!r} holds {dtype}; expected numbers or text")
    if size != info.file_size or min(shape, default=1) < 0:
        raise ValueError(f"{name!r} has {info.file_size:,} bytes, {shape} of {dtype} {size:,}")
    return Member(archive, info, shape, dtype)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def decode(data: bytes) -> Arrays:
    """The arrays of an NPZ file.

    Raises:
        ValueError: as for `open_archive`, or damaged bytes.
    """
    return {name: member.read() for name, member in open_archive(data).items()}


def encode(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as an NPZ file without time stamps."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return stream.getvalue()
