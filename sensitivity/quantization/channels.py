"""Which weights share a scale: a channel is what one output of a layer reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitknap.problems.errors import UnsupportedError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Channels:
    """Channels that more than one dimension of a weight tells apart.

    Args:
        dims: dimensions that index channels, e.g. (0, 2) of experts (E, in, out) in one weight.
        groups: consecutive blocks of dimension 0 that are channels of their own, as in a grouped
            transposed convolution, whose weight is (in, out / groups, *kernel).

    Example:
        >>> Channels((1,), groups=2).count((4, 3, 3, 3))
        6
    """

    dims: tuple[int, ...]
    groups: int = 1

    def count(self, shape: Sequence[int]) -> int:
        """Number of channels of a weight of that shape."""
        return self.groups * math.prod(shape[dim] for dim in self.dims)

    def rows(self, weight: Tensor) -> Tensor:
        """(channels, weights per channel)."""
        places, shape = self._split(weight.shape)
        moved = weight.reshape(shape).movedim(places, tuple(range(len(places))))
        return moved.reshape(self.count(weight.shape), -1)

    def restored(self, rows: Tensor, shape: Sequence[int]) -> Tensor:
        """The weight of that shape from its `rows`."""
        places, split = self._split(shape)
        others = [size for dim, size in enumerate(split) if dim not in places]
        moved = rows.reshape([split[dim] for dim in places] + others)
        return moved.movedim(tuple(range(len(places))), places).reshape(tuple(shape))

    def spread(self, shape: Sequence[int]) -> list[int]:
        """The shape in which a value for each channel broadcasts against the weight.

        Raises:
            UnsupportedError: channels are blocks of a dimension.
        """
        if self.groups > 1:
            raise UnsupportedError(
                "steps of grouped transposed convolutions cannot be learned; leave these layers out"
            )
        dims = [dim % len(shape) for dim in self.dims]
        return [size if dim in dims else 1 for dim, size in enumerate(shape)]

    def _split(self, shape: Sequence[int]) -> tuple[tuple[int, ...], list[int]]:
        """The dimensions that index channels, and the shape with a dimension for groups."""
        dims = tuple(dim % len(shape) for dim in self.dims)
        if self.groups == 1:
            return dims, list(shape)
        first, *rest = shape
        return (0, *(dim + 1 for dim in dims)), [self.groups, first // self.groups, *rest]


ChannelDim = int | Channels
"""One dimension that indexes channels, or `Channels`."""


def channels(dim: ChannelDim) -> Channels:
    """The channels that one dimension stands for."""
    return dim if isinstance(dim, Channels) else Channels((dim,))
