"""FP8 E4M3 (1 sign, 4 exponent, 3 mantissa bits) with a float32 scale for each channel.

Q(w) = s e4m3(w / s), s = max|w| / 448, rounded to nearest, ties to even. No infinities; 448 is the
largest value.

References:
    P. Micikevicius et al., FP8 formats for deep learning, arXiv:2209.05433.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 448.0


class Fp8E4M3(Format):
    """See the module."""

    def encode(self, rows: Tensor) -> Tensor:
        """The scales, then a byte per weight."""
        import torch

        scale = rows.abs().amax(dim=1) / LARGEST
        step = torch.where(scale == 0, 1.0, scale)[:, None]
        codes = (rows / step).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn)
        return torch.cat([scale.view(torch.uint8), codes.view(torch.uint8).flatten()])

    def decode(self, data: Tensor, rows: int, width: int) -> Tensor:
        """Codes times scales."""
        import torch

        scale = data[: 4 * rows].clone().view(torch.float32)[:, None]
        return data[4 * rows :].view(torch.float8_e4m3fn).float().reshape(rows, width) * scale


LABELS = {"fp8_e4m3": Fp8E4M3(bits=8, block=0, scale_bits=32)}
