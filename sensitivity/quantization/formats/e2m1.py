"""Codes of 4-bit floats E2M1 (1 sign, 2 exponent, 1 mantissa bits), two to a byte.

Codes 0 to 7 are 0, 0.5, 1, 1.5, 2, 3, 4 and 6; 8 to 15 the same with a minus sign.
"""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 6.0

_LEVELS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def encode(values: Tensor) -> Tensor:
    """The bytes of the nearest codes, ties to even, flattened; the first code is the low half."""
    size = values.abs().clamp(max=LARGEST)
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    near = (size / step).round() * step
    levels = torch.tensor(_LEVELS, dtype=near.dtype, device=near.device)
    codes = torch.searchsorted(levels, near.contiguous()) + 8 * values.signbit()
    pairs = torch.nn.functional.pad(codes.flatten(), (0, codes.numel() % 2)).reshape(-1, 2)
    return (pairs[:, 0] + 16 * pairs[:, 1]).to(torch.uint8)


def decode(data: Tensor, count: int) -> Tensor:
    """(count,) float32 values of `encode`'s bytes."""
    levels = torch.tensor([*_LEVELS, *(-level for level in _LEVELS)], device=data.device)
    codes = torch.stack([data & 15, data >> 4], dim=1).flatten()[:count]
    return levels[codes.long()]
