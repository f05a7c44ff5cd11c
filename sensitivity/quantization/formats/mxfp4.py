"""MXFP4: 4-bit floats E2M1 in blocks of 32 that share a power of two (E8M0), 4.25 bits per weight.

Q(w) = 2^e e2m1(w / 2^e), e = floor(log2 max|w|) - 2 of the block, from -127 to 127, stored as
e + 127 in a byte.

References:
    Open Compute Project, Microscaling formats (MX) specification 1.0, sections 5.2 and 6.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Format, in_blocks, in_rows

if TYPE_CHECKING:
    from torch import Tensor

BIAS = 127


class Mxfp4(Format):
    """See the module."""

    def encode(self, rows: Tensor) -> Tensor:
        """The exponents, then two codes to a byte."""
        import torch

        from . import e2m1

        blocks = in_blocks(rows.double(), self.block)
        peak = blocks.abs().amax(dim=2, keepdim=True)
        exponent = (torch.frexp(peak).exponent - 3).clamp(-BIAS, BIAS)
        exponent = torch.where(peak == 0, -BIAS, exponent)
        codes = e2m1.encode(in_rows(torch.ldexp(blocks, -exponent), rows.shape[1]))
        return torch.cat([(exponent + BIAS).to(torch.uint8).flatten(), codes])

    def decode(self, data: Tensor, rows: int, width: int) -> Tensor:
        """Codes times powers of two."""
        import torch

        from . import e2m1

        groups = -(-width // self.block)
        exponent = data[: rows * groups].int().reshape(rows, groups, 1) - BIAS
        codes = e2m1.decode(data[rows * groups :], rows * width).reshape(rows, width)
        blocks = torch.ldexp(in_blocks(codes.double(), self.block), exponent)
        return in_rows(blocks, width).float()


LABELS = {"mxfp4": Mxfp4(bits=4, block=32, scale_bits=8)}
