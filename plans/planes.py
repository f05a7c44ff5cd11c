"""Codes of 1 to 16 bits as planes of 8, 4, 2 and 1 bits, packed little-endian into bytes.

A code of b bits is split into the powers of two that add up to b: 3 = 2 + 1, 7 = 4 + 2 + 1. The
first plane holds the lowest bits. A plane of w bits packs 8 / w values into a byte, the first
value in the byte's lowest bits; the last byte is filled with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def widths(bits: int) -> list[int]:
    """Bits of the planes of a code, the widest first.

    Example:
        >>> widths(7)
        [4, 2, 1]
        >>> widths(16)
        [8, 8]
    """
    return [8] * (bits // 8) + [w for w in (4, 2, 1) if bits % 8 & w]


def packed(codes: Codes, bits: int) -> list[Bytes]:
    """Planes of unsigned codes below 2^bits, flattened in C order.

    Example:
        >>> [plane.tolist() for plane in packed(np.array([5, 2, 7]), 3)]
        [[57], [5]]
    """
    flat, planes = codes.reshape(-1), []
    for width in widths(bits):
        part = (flat & ((1 << width) - 1)).astype(np.uint8)
        flat = flat >> width
        each = 8 // width
        filled = np.zeros(-(-len(part) // each) * each, dtype=np.uint8)
        filled[: len(part)] = part
        shifts = np.arange(each, dtype=np.uint8) * width
        planes.append(np.bitwise_or.reduce(filled.reshape(-1, each) << shifts, axis=1))
    return planes


def plane_bytes(bits: int, count: int) -> list[int]:
    """Bytes of each plane of that many codes."""
    return [-(-count * width // 8) for width in widths(bits)]


def packed_ternary(codes: Codes) -> list[Bytes]:
    """Codes 0, 1, 2, five to a byte in base 3, the first in the lowest place.

    Example:
        >>> packed_ternary(np.array([2, 1, 0, 0, 0, 1]))[0].tolist()
        [5, 1]
    """
    filled = np.zeros(-(-codes.size // 5) * 5, dtype=np.int64)
    filled[: codes.size] = codes.reshape(-1)
    return [(filled.reshape(-1, 5) @ 3 ** np.arange(5)).astype(np.uint8)]


def unpacked_ternary(data: Bytes, count: int) -> Codes:
    """(count,) codes of `packed_ternary` bytes."""
    return (data[:, None].astype(np.int64) // 3 ** np.arange(5) % 3).reshape(-1)[:count]


def unpacked(planes: Sequence[Bytes], bits: int, count: int) -> Codes:
    """(count,) codes of `packed` planes."""
    codes, low = np.zeros(count, dtype=np.int64), 0
    for plane, width in zip(planes, widths(bits), strict=True):
        shifts = np.arange(8 // width, dtype=np.uint8) * width
        parts = (plane[:, None] >> shifts) & ((1 << width) - 1)
        codes |= parts.reshape(-1)[:count].astype(np.int64) << low
        low += width
    return codes
