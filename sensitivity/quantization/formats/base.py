"""What a format is: bytes for rows of weights, and the weights of these bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from bitknap.problems.packages import package

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Format(ABC):
    """Weights in blocks along a row, with a scale for each block; a row is a channel.

    Q(w) = decode(encode(w)), so that errors and sizes are those of the bytes. The methods take
    and give tensors; sizes need no torch.

    Args:
        bits: of the code of a weight, and of an operand of a multiplication.
        block: weights of a block; the last one of a row may be shorter. 0: a block is a row.
        scale_bits: stored for each block besides the codes.
        tensor_bits: stored for each weight tensor besides.
    """

    bits: int
    block: int
    scale_bits: int
    tensor_bits: int = 0

    library: ClassVar[str] = ""
    """The package that quantizes, also the name of the extra that installs it."""

    @property
    def rate(self) -> Fraction:
        """Stored bits per weight in whole blocks, scales of whole rows and tensors apart."""
        scale = Fraction(self.scale_bits, self.block) if self.block else 0
        return Fraction(self.bits) + scale

    def size_bits(self, rows: int, width: int) -> int:
        """Stored size of so many rows of so many weights."""
        blocks = rows * (-(-width // self.block) if self.block else 1)
        return self.bits * rows * width + self.scale_bits * blocks + self.tensor_bits

    def require(self) -> None:
        """Refuse to go on where a package is missing.

        Raises:
            UnsupportedError: one is.
        """
        if self.library:
            package(self.library, self.library, "a format of this family")

    @abstractmethod
    def encode(self, rows: Tensor) -> Tensor:
        """The bytes, uint8 of ``size_bits`` rounded up, of (R, k) finite float32 weights."""

    @abstractmethod
    def decode(self, data: Tensor, rows: int, width: int) -> Tensor:
        """(R, k) float32 weights of `encode`'s bytes."""


def in_blocks(rows: Tensor, size: int) -> Tensor:
    """(R, G, size) blocks of (R, k) values, the last one filled with zeros."""
    from torch.nn.functional import pad

    return pad(rows, (0, -rows.shape[1] % size)).reshape(len(rows), -1, size)


def in_rows(blocks: Tensor, width: int) -> Tensor:
    """(R, k) values of (R, G, size) blocks, without what `in_blocks` has filled in."""
    return blocks.reshape(len(blocks), -1)[:, :width]
