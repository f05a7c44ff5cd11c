"""GGUF's blocks of 32, quantized by the package gguf, which has no quantizer of K-types.

The bytes are those that a GGUF file holds, row by row. The last block of a row is filled with zeros
where 32 does not divide the row; the file itself can hold no such weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitknap.problems.packages import package

from .base import Format, in_blocks

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Gguf(Format):
    """See the module.

    Args:
        kind: a member of ``gguf.GGMLQuantizationType``.
    """

    kind: str = ""

    library = "gguf"

    def size_bits(self, rows: int, width: int) -> int:
        """That of whole blocks."""
        return super().size_bits(rows, -(-width // self.block) * self.block)

    def encode(self, rows: Tensor) -> Tensor:
        """The rows one after another, each of whole blocks."""
        import torch

        values = in_blocks(rows, self.block).flatten(1).cpu().numpy()
        data = _library().quants.quantize(values, self.member).reshape(-1)
        return torch.from_numpy(data).to(rows.device)

    def decode(self, data: Tensor, rows: int, width: int) -> Tensor:
        """As the package dequantizes."""
        import torch

        lines = data.cpu().numpy().reshape(rows, -1)
        values = torch.from_numpy(_library().quants.dequantize(lines, self.member))
        return values[:, :width].to(data.device)

    @property
    def member(self) -> Any:
        """The type, as the package knows it."""
        return _library().GGMLQuantizationType[self.kind]


def _library() -> Any:
    return package("gguf", "gguf", "a format of GGUF")


LABELS = {
    f"gguf:{kind.lower()}": Gguf(bits, 32, scale_bits, kind=kind)
    for kind, bits, scale_bits in (
        ("Q4_0", 4, 16),
        ("Q4_1", 4, 32),
        ("Q5_0", 5, 16),
        ("Q5_1", 5, 32),
        ("Q8_0", 8, 16),
    )
}
