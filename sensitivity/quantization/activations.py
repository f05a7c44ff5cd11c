"""Activation quantizers: one grid for what a layer reads, calibrated on the data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .choices import FLOAT, FLOAT_BITS, Choice, operand_bits, require_choices
from .grids import Grid
from .quantizers import SCALE_BITS, parse_options, require_options

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "scheme": ("affine", "symmetric"),
    "scale": ("minmax", "percentile", "mse"),
}

BINS = 2048
"""Bins of the histogram that percentiles and squared errors are taken from."""

FRACTIONS = np.linspace(0.05, 1, 20)
"""Parts of either end of the range that the least squared error is searched among."""

Tap = Callable[[Tensor, Tensor], Tensor]
"""``tap(weight, inputs)``: what a use of a layer's weight reads in place of its inputs."""


@dataclass(frozen=True)
class ActivationQuantizer:
    """Uniform quantizer of a layer's input, one scale per tensor, the same for all its uses.

    Affine: codes 0 .. 2^b - 1 over the calibrated range, 0 included, with a zero point z:
    Q(a) = s (clip(round(a / s) + z, 0, 2^b - 1) - z). Symmetric: z = 0, codes -2^(b-1) ..
    2^(b-1) - 1, or 0 .. 2^b - 1 where no calibrated value is negative.

    The range, from the values that all uses of a layer read on all of the calibration data:

    * ``minmax``: from the smallest to the largest value.
    * ``percentile``: the middle ``percentile`` per cent, to the width of a histogram's bin.
    * ``mse``: of 20 x 20 parts of its ends, the one of least squared error over the histogram.

    Args:
        bits: candidates, from few bits to many; ``float`` leaves the input as it is.
        percentile: between 50 and 100.
    """

    bits: tuple[Choice, ...] = (4, 8)
    scheme: Literal["affine", "symmetric"] = "affine"
    scale: Literal["minmax", "percentile", "mse"] = "minmax"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        require_choices(self.bits, weights=False)
        require_options(self, ALLOWED)

    @classmethod
    def parse(cls, text: str, bits: tuple[Choice, ...]) -> ActivationQuantizer:
        """The quantizer that e.g. ``symmetric,scale=mse`` stands for.

        Raises:
            DataError: naming the word that stands for nothing.
        """
        return cls(bits, **parse_options(text, ALLOWED, "--activation-quantizer"))

    def describe(self) -> dict[str, str]:
        """What identifies the quantizer in a table's provenance."""
        described = {"name": self.scheme, "scale": self.scale, "granularity": "tensor"}
        if self.scale == "percentile":
            described["percentile"] = f"{self.percentile:g}"
        return described

    def overhead_bits(self, grid: Grid) -> int:
        """Bits of the stored scale and zero point of a layer's input."""
        if not grid.scale:
            return 0
        return SCALE_BITS + (grid.bits if self.scheme == "affine" else 0)

    def calibrate(
        self, weights: Sequence[Tensor], run: Callable[[Tap], None]
    ) -> tuple[tuple[Grid, ...], ...]:
        """The grid of each layer and choice; one forward over the data, or two with a histogram.

        Args:
            weights: of the layers. One that reads indices alone, an embedding, or is used in a way
                that no kind of layer covers, gets grids of 32 bits that change nothing.
            run: runs the network on all batches, the layers' inputs tapped; called once or twice.
        """
        ends: dict[int, tuple[float, float]] = {}

        def widen(weight: Tensor, inputs: Tensor) -> Tensor:
            low, high = (float(end) for end in inputs.aminmax())
            known = ends.get(id(weight), (0.0, 0.0))
            ends[id(weight)] = min(low, known[0]), max(high, known[1])
            return inputs

        run(widen)
        counts = {key: np.zeros(BINS, dtype=np.int64) for key in ends}

        def count(weight: Tensor, inputs: Tensor) -> Tensor:
            low, high = ends[id(weight)]
            if high > low:
                place = (inputs.detach().double() - low) * (BINS / (high - low))
                place = place.long().clamp_(0, BINS - 1).flatten()
                counts[id(weight)] += torch.bincount(place, minlength=BINS).cpu().numpy()
            return inputs

        if self.scale != "minmax":
            run(count)
        return tuple(
            tuple(
                self._grid(choice, *ends[id(w)], counts[id(w)])
                if id(w) in ends
                else Grid(FLOAT_BITS)
                for choice in self.bits
            )
            for w in weights
        )

    def _grid(self, choice: Choice, low: float, high: float, counts: NDArray[np.int64]) -> Grid:
        """The grid of one choice for values from low <= 0 to high >= 0 with a histogram."""
        if choice == FLOAT:
            return Grid(operand_bits(choice))
        bits = int(choice)
        if self.scale == "percentile" and high > low:
            return self._between(bits, low, high, *self._middle(low, high, counts))
        if self.scale == "mse" and high > low:
            centres = low + (np.arange(BINS) + 0.5) * ((high - low) / BINS)
            parts = itertools.product(FRACTIONS if low < 0 else (1.0,), FRACTIONS)
            tried = [self._between(bits, low, high, a * low, b * high) for a, b in parts]
            return min(tried, key=lambda grid: _squared_error(grid, centres, counts))
        return self._between(bits, low, high, low, high)

    def _between(self, bits: int, low: float, high: float, first: float, last: float) -> Grid:
        """The grid over first .. last for values from low to high."""
        top = 2**bits - 1
        if self.scheme == "affine":
            scale = _stored((last - first) / top)
            zero = min(max(round(-first / scale), 0), top)
            return Grid(bits, scale, -zero, top - zero)
        reach = max(-first, last)
        if low >= 0:
            return Grid(bits, _stored(reach / top), 0, top)
        half = 2 ** (bits - 1)
        return Grid(bits, _stored(reach / (half - 1)), -half, half - 1)

    def _middle(self, low: float, high: float, counts: NDArray[np.int64]) -> tuple[float, float]:
        """The ends of the middle per cent, 0 included, to the width of a bin."""
        below = np.cumsum(counts)
        cut = math.floor((100 - self.percentile) * below[-1] / 200)
        width = (high - low) / BINS
        first = low + width * int(np.searchsorted(below, cut, side="right"))
        last = low + width * (1 + int(np.searchsorted(below, below[-1] - cut)))
        return min(first, 0.0), max(last, 0.0)


def quantized(inputs: Tensor, grid: Grid) -> Tensor:
    """Q(a) of the input's shape and type."""
    if not grid.scale:
        return inputs
    wide = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
    codes = (wide / grid.scale).round_().clamp_(grid.low, grid.high)
    return codes.mul_(grid.scale).to(inputs.dtype)


def _squared_error(grid: Grid, values: NDArray[Any], counts: NDArray[np.int64]) -> float:
    levels = np.clip(np.rint(values / grid.scale), grid.low, grid.high) * grid.scale
    return float((counts * (levels - values) ** 2).sum())


def _stored(scale: float) -> float:
    """The scale as it is stored, a float32; 1 where the range is empty."""
    return float(np.float32(scale)) or 1.0
