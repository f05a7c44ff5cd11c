"""NVFP4: 4-bit floats E2M1 in blocks of 16 with an E4M3 scale, and a float32 scale per tensor.

Q(w) = t s e2m1(w / (t s)), t = max|W| / (448 * 6) of the tensor and s = e4m3(max|w| / (6 t)) of the
block, at least 2^-6: 4.5 bits per weight.

References:
    F. Abecassis et al. (NVIDIA), Pretraining large language models with NVFP4, arXiv:2509.25149,
    appendix C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Format, in_blocks, in_rows
from .fp8_e4m3 import LARGEST

if TYPE_CHECKING:
    from torch import Tensor


class Nvfp4(Format):
    """See the module."""

    def encode(self, rows: Tensor) -> Tensor:
        """The tensor's scale, those of the blocks, then two codes to a byte."""
        import torch

        from . import e2m1

        blocks = in_blocks(rows, self.block)
        peak = blocks.abs().amax(dim=2, keepdim=True)
        tensor = peak.max() / (LARGEST * e2m1.LARGEST)
        tensor = torch.where(tensor == 0, 1.0, tensor)
        least = torch.finfo(torch.float8_e4m3fn).tiny
        scale = (peak / e2m1.LARGEST / tensor).clamp(least, LARGEST).to(torch.float8_e4m3fn)
        codes = e2m1.encode(in_rows(blocks * (1.0 / tensor / scale.float()), rows.shape[1]))
        parts = tensor.reshape(1).view(torch.uint8), scale.view(torch.uint8).flatten(), codes
        return torch.cat(parts)

    def decode(self, data: Tensor, rows: int, width: int) -> Tensor:
        """Codes times both scales."""
        import torch

        from . import e2m1

        groups = -(-width // self.block)
        tensor, rest = data[:4].clone().view(torch.float32), data[4:]
        scale = rest[: rows * groups].view(torch.float8_e4m3fn).float().reshape(rows, groups, 1)
        codes = e2m1.decode(rest[rows * groups :], rows * width).reshape(rows, width)
        return in_rows(in_blocks(codes, self.block) * (tensor * scale), width)


LABELS = {"nvfp4": Nvfp4(bits=4, block=16, scale_bits=8, tensor_bits=32)}
