"""The order in which classes enter the core.

Write ``dw, dc`` for weight and cost of an item less those of its class's break item. Of class ``i``

    up_i = max(0, max_{dw > 0} -dc / dw),      down_i = min_{dw < 0} dc / -dw

are the best saving per unit of weight gained and the least loss per unit of weight given back.
Classes enter alternately by largest ``up`` and by smallest ``down``, those next to the linear
relaxation first (Pisinger 1995).

References
----------
D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83 (1995) 394-410.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["entry_order"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def entry_order(dw: Ints, dc: Floats, first: Ints) -> Ints:
    """Order classes whose items begin at ``first``; equal slopes by index.

    A class takes part in either ranking only when it has an item on that side, and enters at the
    better of its two turns.
    """
    slope = -dc / np.where(dw == 0, 1, dw)
    up = np.maximum.reduceat(np.where(dw > 0, slope, 0.0), first)
    down = np.minimum.reduceat(np.where(dw < 0, slope, np.inf), first)
    turn = np.minimum(2 * _rank(-up, up > 0.0), 2 * _rank(down, down < np.inf) + 1)
    return np.argsort(turn, kind="stable")


def _rank(key: Floats, takes_part: NDArray[np.bool_]) -> Ints:
    rank = np.empty(key.size, dtype=np.int64)
    rank[np.argsort(key, kind="stable")] = np.arange(key.size)
    rank[~takes_part] = key.size
    return rank
