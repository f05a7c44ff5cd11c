"""What is known before any search: the bound of the break solution and a first incumbent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .envelope import SLACK, Envelope, steps_to_envelope
from .incumbent import changes
from .relaxation import Relaxation

__all__ = ["First", "first_incumbent"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Sums of integers below this are exact in floats.
_EXACT = 2.0**51


@dataclass(frozen=True)
class First:
    """Bound and incumbent, relative to the break solution.

    Attributes
    ----------
    envelope
        ``F`` of all classes.
    reach
        Largest possible movement of weight.
    bound
        Lower bound on the cost of any choice.
    moves
        ``(class, item)`` that the incumbent moves.
    gain, noise
        Sum of the changes of cost, and of their absolute values.
    lead
        The bound less the rival's cost, infinite without a rival.
    settled
        Whether no choice is cheaper than the incumbent.
    """

    envelope: Envelope
    reach: float
    bound: float
    moves: list[tuple[int, int]]
    gain: float
    noise: float
    lead: float
    settled: bool


def first_incumbent(r: Relaxation, cost: Floats, weight: Ints, rival: Ints, given: Floats) -> First:
    """Return the greedy completion, the rival or the best single move that fits: the cheapest.

    Args:
        r: the break solution.
        cost: costs of the instance.
        weight: weights of the instance.
        rival: items of a known choice, or nothing.
        given: costs that the rival's items are priced at.
    """
    reach, envelope = _envelope(r, weight)
    bound = float(envelope.bound(np.zeros(1), np.array([r.room]))[0]) - envelope.allowance
    whole = abs(bound) < _EXACT and bool((np.floor(given) == given).all())
    goal = float(np.ceil(bound)) if whole else bound
    base = r.item[r.base]
    moves = [(i, int(r.item[p])) for i, p in r.completion]
    gain, noise = changes(r, given, moves)
    lead = math.inf
    if rival.size:
        differ = np.flatnonzero(rival != base)
        other = list(zip(differ.tolist(), rival[differ].tolist(), strict=True))
        rival_gain, rival_noise = changes(r, given, other)
        lead = bound - rival_gain
        if rival_gain <= gain + SLACK * (noise + rival_noise):
            moves, gain, noise = other, rival_gain, rival_noise
    if gain > goal:
        cls, item, change = _best_move(r, cost, weight)
        if change < gain:
            moves, gain, noise = [(cls, item)], change, -change
    settled = gain <= goal if goal > bound else gain + SLACK * noise <= bound
    settled &= noise < _EXACT or goal == bound
    return First(envelope, reach, bound, moves, gain, noise, lead, settled)


def _envelope(r: Relaxation, weight: Ints) -> tuple[float, Envelope]:
    """Return the largest possible movement of weight and ``F`` of all classes."""
    lightest, heaviest = weight[r.item[r.offsets[:-1]]], weight[r.item[r.offsets[1:] - 1]]
    reach = float((heaviest - lightest).sum())
    (slope, step), b = r.steps, r.brk
    up, down = (slope[b:], step[b:]), (slope[:b], step[:b])
    return reach, steps_to_envelope(up, down, r.tails, reach, r.rounds)


def _best_move(r: Relaxation, cost: Floats, weight: Ints) -> tuple[int, int, float]:
    """Class, item and change of cost of the first cheapest move that fits."""
    base, size = r.item[r.base], np.diff(r.offsets)
    dw = weight[r.item] - np.repeat(weight[base], size)
    dc = cost[r.item] - np.repeat(cost[base], size)
    fits = np.flatnonzero(dw <= r.room)
    least = float(dc[fits].min())
    item = int(r.item[fits[dc[fits] == least]].min())
    at = int(np.flatnonzero(r.item == item)[0])
    return int(np.searchsorted(r.offsets, at, side="right")) - 1, item, least
