"""A quantizer that quantizes each weight at each bit-width once in a process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.quantization.channels import ChannelDim
from bitknap.sensitivity.quantization.choices import Choice

Key = tuple[str, str, tuple[int, ...], Choice, ChannelDim]

_CODES: dict[tuple[object, Key], tuple[Tensor, Tensor]] = {}


@dataclass(frozen=True)
class CachedQuantizer(Quantizer):
    """`Quantizer` with the same values, which keeps codes and scales.

    Finding a channel's least-squares scale costs far more than applying it, and one run needs the
    same quantized weights for the table and for every plan that is measured. Weights are told
    apart by their content, so copies of a network share; codes take one or two bytes per weight.
    """

    def encode(
        self, weight: Tensor, choice: Choice, *, dim: ChannelDim = 0
    ) -> tuple[Tensor, Tensor]:
        """As `Quantizer.encode`."""
        content = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest = hashlib.sha256(content.data).hexdigest()
        key = digest, f"{weight.dtype} {weight.device}", tuple(weight.shape), choice, dim
        if (self, key) not in _CODES:
            codes, scale = super().encode(weight, choice, dim=dim)
            _CODES[self, key] = codes.to(_smallest(codes)), scale
        codes, scale = _CODES[self, key]
        return codes.double(), scale


def _smallest(codes: Tensor) -> torch.dtype:
    """The smallest integer type that holds the codes."""
    ends = [int(end) for end in codes.aminmax()] if codes.numel() else [0]
    types = (torch.int8, torch.int16, torch.int32)
    return next(
        t for t in types if all(torch.iinfo(t).min <= e <= torch.iinfo(t).max for e in ends)
    )
