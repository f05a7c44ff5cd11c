"""A quantizer that quantizes each weight at each bit-width once in a process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from bitknap.sensitivity import Quantizer

__all__ = ["RememberingQuantizer"]

Key = tuple[str, str, tuple[int, ...], int, int]

_CODES: dict[tuple[object, Key], tuple[Tensor, Tensor]] = {}


@dataclass(frozen=True)
class RememberingQuantizer(Quantizer):
    """`Quantizer` with the same values, which keeps codes and scales.

    Finding a channel's least-squares scale costs far more than applying it, and one run needs the
    same quantized weights for the table and for every plan that is measured. Weights are told
    apart by their content, so copies of a network share; codes take one or two bytes a weight.
    """

    def encode(self, weight: Tensor, bits: int, *, dim: int = 0) -> tuple[Tensor, Tensor]:
        """Integer codes (rows, k) in float64 and scales (rows,), one row a channel."""
        content = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest = hashlib.sha256(content.data).hexdigest()
        key = digest, f"{weight.dtype} {weight.device}", tuple(weight.shape), bits, dim
        if (self, key) not in _CODES:
            codes, scale = super().encode(weight, bits, dim=dim)
            _CODES[self, key] = codes.to(torch.int8 if bits <= 8 else torch.int16), scale
        codes, scale = _CODES[self, key]
        return codes.double(), scale
