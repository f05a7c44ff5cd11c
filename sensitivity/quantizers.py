"""Weight quantizers: symmetric codes with the scale of least squared error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from bitknap.problems.errors import DataError

from .scales import least_squares_scale

SCALE_BITS = 32
"""Bits that one stored scale takes (float32)."""


@dataclass(frozen=True)
class Quantizer:
    """Symmetric uniform weight quantizer, one scale a channel or one a tensor.

    With b bits, q = 2^(b-1) - 1 and a channel w of the weight::

        Q_b(w) = s* clip(round(w / s*), -q, q)
        s* = argmin_s || s clip(round(w / s), -q, q) - w ||^2

    The range is the narrow one (no code -q - 1): the levels stay symmetric, so that quantization
    does not shift a channel's mean, and integer kernels need no special case. Two bits are then
    the three levels -s, 0, s. A channel of zeros has scale 0.

    Args:
        granularity: ``channel`` (one scale for each index of the channel dimension) or ``tensor``.

    Example:
        >>> Quantizer()(torch.tensor([[1.0, -1.0, 0.1]]), 2)
        tensor([[ 1., -1.,  0.]])
    """

    granularity: Literal["channel", "tensor"] = "channel"

    def __post_init__(self) -> None:
        if self.granularity not in ("channel", "tensor"):
            raise DataError(
                f"quantizer granularity must be 'channel' or 'tensor', got {self.granularity!r}"
            )

    def __call__(self, weight: Tensor, bits: int, *, dim: int = 0) -> Tensor:
        """The dequantized weight Q_b(w), of the weight's shape, dtype and device.

        Args:
            weight: float tensor with finite entries.
            bits: whole number, 1 < bits <= 16.
            dim: channel dimension, used by granularity ``channel``.

        Raises:
            DataError: the bit-width is out of range, or the weight is not finite.
        """
        codes, scale = self.encode(weight, bits, dim=dim)
        rows = codes * scale[:, None]
        if self._by_channel(weight):
            rows = rows.reshape(weight.movedim(dim, 0).shape).movedim(0, dim)
        return rows.reshape(weight.shape).to(weight.dtype)

    def encode(self, weight: Tensor, bits: int, *, dim: int = 0) -> tuple[Tensor, Tensor]:
        """Integer codes (rows, k) in float64 and scales (rows,), one row a channel."""
        check_bits(bits)
        if not bool(torch.isfinite(weight).all()):
            raise DataError(
                "a weight holds NaN or infinite entries; quantization needs finite ones"
            )
        rows = weight.detach().double()
        rows = rows.movedim(dim, 0).flatten(1) if self._by_channel(weight) else rows.reshape(1, -1)
        scale = least_squares_scale(rows, levels(bits))
        return nearest_codes(rows, scale, levels(bits)), scale

    def scales(self, shape: Sequence[int], *, dim: int = 0) -> int:
        """Number of scales stored for a weight of that shape."""
        return int(shape[dim]) if self.granularity == "channel" and len(shape) > 1 else 1

    def size_bits(self, shape: Sequence[int], bits: int, *, dim: int = 0) -> int:
        """Stored size in bits: codes plus scales."""
        check_bits(bits)
        return math.prod(shape) * bits + SCALE_BITS * self.scales(shape, dim=dim)

    def describe(self) -> dict[str, Any]:
        """What identifies the quantizer in a table's provenance."""
        return {"name": "symmetric", "range": "narrow", "scale": "least squares", **asdict(self)}

    def _by_channel(self, weight: Tensor) -> bool:
        return self.granularity == "channel" and weight.dim() > 1


def levels(bits: int) -> int:
    """Largest code q = 2^(b-1) - 1 of the narrow symmetric range."""
    return int(2 ** (bits - 1)) - 1


def nearest_codes(rows: Tensor, scale: Tensor, top: int) -> Tensor:
    """clip(round(w / s), -q, q) row by row; zeros where the scale is zero."""
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.round(rows / safe[:, None]).clamp_(-top, top)


def check_bits(bits: int) -> None:
    """Refuse bit-widths that are not whole numbers in 2..16."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= 16:
        raise DataError(f"a bit-width must be a whole number from 2 to 16, got {bits!r}")
