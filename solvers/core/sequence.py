"""Slopes around the break solution, and the order in which classes enter the core.

Write ``dw, dc`` for weight and cost of an item less those of its class's break item. Of class ``i``

    up_i = max(0, max_{dw > 0} -dc / dw),      down_i = min_{dw < 0} dc / -dw

are the best saving per unit of weight gained and the least loss per unit of weight given back.
Classes enter alternately by largest ``up`` and by smallest ``down`` (Pisinger 1995). Let ``U`` and
``D`` be the largest ``up`` and the smallest ``down`` of the classes that have not entered. Since
``dc >= -U dw`` for ``dw > 0``, ``dc >= D (-dw)`` for ``dw < 0`` and ``U <= D``, a state with cost
``v`` and free capacity ``room`` ends no cheaper than

    v - U * room     if room >= 0,             v + D * (-room)     otherwise.

Slopes are rounded outward, so the bound holds for exact arithmetic too; where ``U > D`` after
rounding (ties), ``(U - D)`` times the largest possible movement of weight is allowed for.

References
----------
D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83 (1995) 394-410.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_SLOPE", "Slopes", "class_slopes", "entry_order", "item_slopes", "suffix_slopes"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Stands for an infinite slope; times any weight it stays finite.
NO_SLOPE = 2.0**960
# A computed slope is within 2**-51 relative and 2**-1000 absolute of the exact one.
OUTWARD = 2.0**-51
PAD = 2.0**-1000


@dataclass(frozen=True)
class Slopes:
    """``up`` and ``down``, of classes or of what remains after each entry."""

    up: Floats
    down: Floats


def item_slopes(dw: Ints, dc: Floats) -> Slopes:
    """Saving a unit of each heavier item, loss a unit of each lighter one, rounded outward."""
    slope = -dc / np.where(dw == 0, 1, dw)
    up = np.where((dw > 0) & (slope > 0.0), slope * (1.0 + OUTWARD) + PAD, 0.0)
    down = np.where(dw < 0, np.maximum(slope * (1.0 - OUTWARD) - PAD, 0.0), NO_SLOPE)
    return Slopes(up, down)


def class_slopes(items: Slopes, first: Ints) -> Slopes:
    """``up_i`` and ``down_i`` of classes whose items begin at ``first``."""
    return Slopes(
        np.maximum.reduceat(items.up, first),
        np.minimum.reduceat(items.down, first),
    )


def entry_order(classes: Slopes) -> Ints:
    """Order the classes alternately by largest ``up`` and smallest ``down``; equals by index."""
    turn = np.minimum(
        2 * _rank(-classes.up, classes.up > 0.0),
        2 * _rank(classes.down, classes.down < NO_SLOPE) + 1,
    )
    return np.argsort(turn, kind="stable")


def _rank(key: Floats, takes_part: NDArray[np.bool_]) -> Ints:
    rank = np.empty(key.size, dtype=np.int64)
    rank[np.argsort(key, kind="stable")] = np.arange(key.size)
    rank[~takes_part] = key.size
    return rank


def suffix_slopes(classes: Slopes) -> Slopes:
    """``U`` and ``D`` after the first ``t`` classes have entered, ``t = 0 .. T``."""
    up = np.maximum.accumulate(np.append(classes.up, 0.0)[::-1])[::-1]
    down = np.minimum.accumulate(np.append(classes.down, NO_SLOPE)[::-1])[::-1]
    return Slopes(up, down)
