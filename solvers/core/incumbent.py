"""First incumbents: greedy completion, the best single move, a rival from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .envelope import SLACK
from .fixed_point import Unit, as_int, fixed, minus
from .relaxation import Relaxation

__all__ = ["Incumbent", "changed", "changes", "exact_incumbent", "first_moves"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Incumbent:
    """A feasible solution: its cost in units relative to the break solution, and what it moves.

    ``moves`` holds ``(class, item)``.
    """

    value: int
    moves: list[tuple[int, int]]


def first_moves(
    r: Relaxation, cost: Floats, weight: Ints, rival: Ints, given: Floats
) -> list[tuple[int, int]]:
    """Return the greedy completion, the best single move that fits, or the rival: the cheapest."""
    base = r.item[r.base]
    moves = [(i, int(r.item[p])) for i, p in r.completion]
    gain, noise = changes(r, given, moves)
    size = np.diff(r.offsets)
    dw = weight[r.item] - np.repeat(weight[base], size)
    dc = cost[r.item] - np.repeat(cost[base], size)
    fits = np.flatnonzero(dw <= r.room)
    least = float(dc[fits].min())
    if least < gain:
        best = fits[dc[fits] == least]
        p = int(best[dw[best].argmin()])
        cls = int(np.searchsorted(r.offsets, p, side="right")) - 1
        moves, gain, noise = [(cls, int(r.item[p]))], least, -least
    if rival.size:
        differ = np.flatnonzero(rival != base)
        other = list(zip(differ.tolist(), rival[differ].tolist(), strict=True))
        rival_gain, rival_noise = changes(r, given, other)
        if rival_gain <= gain + SLACK * (noise + rival_noise):
            return other
    return moves


def changed(r: Relaxation, cost: Floats, moves: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    """Return the costs of the items moved to and of those moved from."""
    to = np.array([j for _, j in moves], dtype=np.int64)
    return cost[to], cost[r.item[r.base[[i for i, _ in moves]]]]


def changes(r: Relaxation, cost: Floats, moves: list[tuple[int, int]]) -> tuple[float, float]:
    """Return the sum of the changes of cost, and of their absolute values."""
    gain = noise = 0.0
    to, at = changed(r, cost, moves)
    for change in (to - at).tolist():
        gain, noise = gain + change, noise + abs(change)
    return gain, noise


def exact_incumbent(
    r: Relaxation, cost: Floats, moves: list[tuple[int, int]], unit: Unit
) -> Incumbent:
    """Return the break solution after some moves, exactly, or as it is if that is no dearer."""
    to, at = changed(r, cost, moves)
    gain = minus(fixed(to, unit), fixed(at, unit))
    total = sum(as_int(gain, k) for k in range(to.size))
    return Incumbent(total, moves) if total < 0 else Incumbent(0, [])
