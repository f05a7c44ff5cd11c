"""The order in which classes enter the core.

Write ``dw, dc`` for weight and cost of an item less those of its class's break item. Of class ``i``

    up_i = max(0, max_{dw > 0} -dc / dw),      down_i = min_{dw < 0} dc / -dw

are the best saving per unit of weight gained and the least loss per unit of weight given back.
Classes enter alternately by largest ``up`` and by smallest ``down``, those next to the linear
relaxation first (Pisinger 1995). They are picked in batches, so that no class is sorted, nor its
items looked at, before its turn comes.

References
----------
D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83 (1995) 394-410.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .relaxation import LEAST_SLOPE

__all__ = ["TURNS", "next_classes", "slopes"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Classes picked at a time by either slope.
TURNS = 24


def slopes(dw: Ints, dc: Floats, first: Ints) -> tuple[Floats, Floats]:
    """Return ``up`` and ``down`` of classes whose items begin at ``first``."""
    slope = np.maximum(-dc / np.where(dw == 0, 1, dw), LEAST_SLOPE)
    up = np.maximum.reduceat(np.where(dw > 0, slope, 0.0), first)
    down = np.minimum.reduceat(np.where(dw < 0, slope, np.inf), first)
    return up, down


def next_classes(up: Floats, down: Floats) -> Ints:
    """Return the positions of the classes whose turn is next, in order; equal slopes by index.

    A class takes part in either ranking only when it has an item on that side, and enters at the
    better of its two turns.
    """
    ups = np.argsort(-up, kind="stable")[: min(TURNS, int((up > 0.0).sum()))]
    downs = np.argsort(down, kind="stable")[: min(TURNS, int((down < np.inf).sum()))]
    turn = np.concatenate((2 * np.arange(ups.size), 2 * np.arange(downs.size) + 1))
    in_turn = np.concatenate((ups, downs))[np.argsort(turn)]
    _, at = np.unique(in_turn, return_index=True)
    picked: Ints = in_turn[np.sort(at)]
    return picked
