"""Weight quantizers: uniform levels about zero, the scale of least squared error."""

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
    """Uniform weight quantizer without zero point, one scale a channel or one a tensor.

    With b bits and a channel w of the weight:

        Q_b(w) = s* clip(round(w / s*), low, high)
        s* = argmin_s || s clip(round(w / s), low, high) - w ||^2

    The ``full`` range holds all codes of b bits, low = -2^(b-1) and high = 2^(b-1) - 1, and s may
    be negative: the sign of the stored scale says which side has the extra level. The ``narrow``
    range drops the code -2^(b-1), so that levels are symmetric; two bits are then -s, 0, s. A
    channel of zeros has scale 0.

    The full range is the default because its squared error is never larger, and lower by about a
    third at two bits. The free sign matters: with s > 0 only, the longer negative side shifts the
    weights' means, and accuracy falls below the narrow range's in spite of the smaller error.

    Args:
        granularity: ``channel`` (one scale for each index of the channel dimension) or ``tensor``.
        range: ``full`` or ``narrow``.

    Example:
        >>> Quantizer()(torch.tensor([[2.0, 1.0, -1.1, 0.1]]), 2)
        tensor([[ 2.0333,  1.0167, -1.0167,  0.0000]])
    """

    granularity: Literal["channel", "tensor"] = "channel"
    range: Literal["full", "narrow"] = "full"

    def __post_init__(self) -> None:
        for field, known in (("granularity", ("channel", "tensor")), ("range", ("full", "narrow"))):
            if getattr(self, field) not in known:
                raise DataError(
                    f"quantizer {field} must be {known[0]!r} or {known[1]!r}, "
                    f"got {getattr(self, field)!r}"
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
        if not bool(torch.isfinite(weight).all()):
            raise DataError(
                "a weight holds NaN or infinite entries; quantization needs finite ones"
            )
        rows = weight.detach().double()
        rows = rows.movedim(dim, 0).flatten(1) if self._by_channel(weight) else rows.reshape(1, -1)
        low, high = self.codes(bits)
        scale = least_squares_scale(rows, low, high)
        return nearest_codes(rows, scale, low, high), scale

    def codes(self, bits: int) -> tuple[int, int]:
        """Smallest and largest code of b bits."""
        check_bits(bits)
        high = int(2 ** (bits - 1)) - 1
        return (-high - 1 if self.range == "full" else -high), high

    def scales(self, shape: Sequence[int], *, dim: int = 0) -> int:
        """Number of scales stored for a weight of that shape."""
        return int(shape[dim]) if self.granularity == "channel" and len(shape) > 1 else 1

    def size_bits(self, shape: Sequence[int], bits: int, *, dim: int = 0) -> int:
        """Stored size in bits: codes plus scales."""
        check_bits(bits)
        return math.prod(shape) * bits + SCALE_BITS * self.scales(shape, dim=dim)

    def describe(self) -> dict[str, Any]:
        """What identifies the quantizer in a table's provenance."""
        return {"name": "symmetric", "scale": "least squares", **asdict(self)}

    def _by_channel(self, weight: Tensor) -> bool:
        return self.granularity == "channel" and weight.dim() > 1


def nearest_codes(rows: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """clip(round(w / s), low, high) row by row; zeros where the scale is zero."""
    safe = torch.where(scale != 0, scale, torch.ones_like(scale))
    return torch.round(rows / safe[:, None]).clamp_(low, high)


def check_bits(bits: int) -> None:
    """Refuse bit-widths that are not whole numbers in 2..16."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= 16:
        raise DataError(f"a bit-width must be a whole number from 2 to 16, got {bits!r}")
