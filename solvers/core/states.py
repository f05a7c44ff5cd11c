"""States of the NumPy search: lists by weight, and the undominated among candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fixed_point import Exact

__all__ = ["Stage", "States", "cheapest", "entries", "pareto"]

Ints = NDArray[np.int64]


def entries(value: Exact, index: Any) -> Exact:
    """Return some of the exact costs."""
    high, low = value
    return high[index], None if low is None else low[index]


def cheapest(value: Exact) -> int:
    """Return the index of the least cost, the first of equals."""
    high, low = value
    if low is None:
        return int(high.argmin())
    tied = np.flatnonzero(high == high.min())
    return int(tied[low[tied].argmin()])


@dataclass
class States:
    """Undominated states by increasing weight, and where each came from in the stage before."""

    weight: Ints
    value: Exact
    source: Ints

    def take(self, index: Any) -> States:
        return States(self.weight[index], entries(self.value, index), self.source[index])


@dataclass
class Stage:
    """The class that entered, its items kept, the parents of the states, the list length before."""

    cls: int
    items: Ints
    source: Ints
    before: int


def pareto(weight: Ints, value: Exact) -> Ints:
    """Return the undominated of the candidates by increasing weight; the first of equals."""
    order = np.argsort(weight, kind="stable")
    high, low = value[0][order], value[1]
    best = np.minimum.accumulate(high)
    kept = np.ones(order.size, dtype=bool)
    np.less(high[1:], best[:-1], out=kept[1:])
    if low is not None:
        tied = np.flatnonzero(high[1:] == best[:-1]) + 1
        if tied.size:
            _settle_ties(kept, high, low[order], tied)
    order = order[kept]
    w = weight[order]
    last = np.ones(order.size, dtype=bool)
    np.not_equal(w[1:], w[:-1], out=last[:-1])
    return order if last.all() else order[last]


def _settle_ties(kept: NDArray[np.bool_], high: Ints, low: Ints, tied: Ints) -> None:
    """Keep those of equal high limb whose low limb is below all before it."""
    least: dict[int, int] = {}
    for i in tied.tolist():
        h = int(high[i])
        if h not in least:
            first = int(np.flatnonzero(kept[:i] & (high[:i] == h))[0])
            least[h] = int(low[first])
        if low[i] < least[h]:
            least[h] = int(low[i])
            kept[i] = True
