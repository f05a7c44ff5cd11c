"""How the items of a table quantize what their layers read, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.problems.errors import DataError


@dataclass(frozen=True)
class Grid:
    """Levels s k for whole k from low to high: Q(a) = s clip(round(a / s), low, high).

    Args:
        bits: of a code; 32 for float.
        scale: s > 0, a float32; 0 where nothing is quantized.
        low: smallest level, the zero point's negative.
        high: largest level.
    """

    bits: int
    scale: float = 0.0
    low: int = 0
    high: int = 0


@dataclass(frozen=True, eq=False)
class ActivationGrids:
    """The grid of every item, in arrays of n entries: `Grid`'s fields."""

    bits: NDArray[np.int64]
    scale: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def __post_init__(self) -> None:
        for array in self.arrays.values():
            if array.shape != self.bits.shape:
                raise DataError("every item needs one activation grid")
            array.flags.writeable = False

    @classmethod
    def of(cls, grids: list[Grid]) -> ActivationGrids:
        """The arrays of a list, an entry per item."""
        return cls(
            bits=np.array([grid.bits for grid in grids], dtype=np.int64),
            scale=np.array([grid.scale for grid in grids], dtype=np.float64),
            low=np.array([grid.low for grid in grids], dtype=np.int64),
            high=np.array([grid.high for grid in grids], dtype=np.int64),
        )

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by the field's name."""
        return {"bits": self.bits, "scale": self.scale, "low": self.low, "high": self.high}

    def at(self, item: int) -> Grid:
        """The grid of one item."""
        low, high = int(self.low[item]), int(self.high[item])
        return Grid(int(self.bits[item]), float(self.scale[item]), low, high)

    def take(self, items: NDArray[np.int64]) -> ActivationGrids:
        """The grids of some items."""
        return ActivationGrids(**{name: array[items] for name, array in self.arrays.items()})
