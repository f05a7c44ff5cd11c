"""Relaxation and first incumbent, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import NO_SLOPE, SLACK, make_envelope
from .kernel_relax import NEAR_STEPS, near_steps
from .relaxation import HUGE as _HUGE

HUGE = _HUGE

Relaxed = namedtuple(
    "Relaxed",
    ["base", "room", "multiplier", "at_break", "huge", "envelope", "moves", "gain", "noise"],
)


@njit(cache=True)
def complete(steps: Any, order: Any, brk: int, room: int, base: Any, foot: Any) -> Any:
    """Take the steps behind the break that still fit; return ``(class, item)`` moved, by class."""
    n = min(order.size - brk, NEAR_STEPS)
    cls, item = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    m = 0
    for k in range(n):
        a = order[brk + k]
        i = steps.cls[a]
        at = 0
        while at < m and cls[at] != i:
            at += 1
        stands = item[at] if at < m else base[i]
        if foot[a] == stands and steps.weight[a] <= room:
            room -= steps.weight[a]
            cls[at], item[at] = i, steps.head[a]
            m = max(m, at + 1)
    by_class = np.argsort(cls[:m], kind="mergesort")
    moves = np.empty((m, 2), dtype=np.int64)
    for k in range(m):
        moves[k, 0], moves[k, 1] = cls[by_class[k]], item[by_class[k]]
    return moves


@njit(cache=True)
def best_move(offsets: Any, cost: Any, weight: Any, base: Any, room: int) -> Any:
    """Class, item and change of cost of the cheapest move that fits, the lighter of equals."""
    cls, item, least, lightest = -1, -1, 0.0, np.int64(0)
    for i in range(base.size):
        c, w = cost[base[i]], weight[base[i]]
        hit = False
        for j in range(offsets[i], offsets[i + 1]):
            hit |= (cost[j] - c <= least) & (weight[j] - w <= room)
        if not hit:
            continue
        for j in range(offsets[i], offsets[i + 1]):
            dc, dw = cost[j] - c, weight[j] - w
            if dw <= room and (dc < least or (dc == least and dc < 0.0 and dw < lightest)):
                cls, item, least, lightest = i, j, dc, dw
    return cls, item, least


@njit(cache=True)
def feet(steps: Any, bracket: Any) -> Any:
    """Item from which each step starts."""
    foot = np.empty(steps.head.size, dtype=np.int64)
    for a in range(foot.size):
        follows = a > 0 and steps.cls[a - 1] == steps.cls[a]
        foot[a] = steps.head[a - 1] if follows else bracket.light[steps.cls[a]]
    return foot


@njit(cache=True)
def first_envelope(steps: Any, order: Any, brk: int, reach: float) -> Any:
    """``F`` of all classes from the steps next to the break."""
    begin, end = max(0, brk - NEAR_STEPS), min(order.size, brk + NEAR_STEPS)
    up, down = steps.slope[order[brk:end]], steps.slope[order[begin:brk]]
    up_step, down_step = steps.weight[order[brk:end]], steps.weight[order[begin:brk]]
    first = steps.slope[order[begin - 1]] if begin > 0 else NO_SLOPE
    last = steps.slope[order[end]] if end < order.size else 0.0
    return make_envelope(up, up_step, down, down_step, first, last, reach, steps.rounds)


@njit(cache=True)
def changes(moves: Any, base: Any, cost: Any) -> tuple[float, float]:
    """Sum of the changes of cost, and of their absolute values."""
    gain = noise = 0.0
    for k in range(moves.shape[0]):
        change = cost[moves[k, 1]] - cost[base[moves[k, 0]]]
        gain, noise = gain + change, noise + abs(change)
    return gain, noise


@njit(cache=True)
def is_huge(steps: Any, order: Any, brk: int) -> bool:
    """Whether the break step is far heavier than most of the steps near it."""
    if brk == order.size:
        return False
    near = steps.weight[order[max(0, brk - NEAR_STEPS) : brk + NEAR_STEPS]]
    return steps.weight[order[brk]] > HUGE * np.sort(near)[near.size // 2]


@njit(cache=True)
def relax(
    offsets: Any,
    cost: Any,
    weight: Any,
    capacity: int,
    ends: Any,
    reach: float,
    rival: Any,
    given: Any,
) -> Any:
    """Solve the relaxation and find a first incumbent: greedy, one move, or the rival if given.

    ``rival`` holds items, or nothing; ``given`` are the costs they are priced at.
    """
    steps, order, brk, room, bracket = near_steps(offsets, cost, weight, ends, capacity)
    foot = feet(steps, bracket)
    base = bracket.light
    for k in range(brk):
        a = order[k]
        i = steps.cls[a]
        if weight[steps.head[a]] > weight[base[i]]:
            base[i] = steps.head[a]
    multiplier, at_break = 0.0, -1
    if brk < order.size:
        multiplier, at_break = steps.slope[order[brk]], steps.cls[order[brk]]
    e = first_envelope(steps, order, brk, reach)
    moves = complete(steps, order, brk, room, base, foot)
    gain, noise = changes(moves, base, given)
    i, j, change = best_move(offsets, cost, weight, base, room)
    if change < gain:
        gain, noise = change, -change
        moves = np.array([[i, j]])
    if rival.size:
        n = 0
        for i in range(base.size):
            n += base[i] != rival[i]
        other = np.empty((n, 2), dtype=np.int64)
        n = 0
        for i in range(base.size):
            if base[i] != rival[i]:
                other[n, 0], other[n, 1] = i, rival[i]
                n += 1
        rival_gain, rival_noise = changes(other, base, given)
        if rival_gain <= gain + SLACK * (noise + rival_noise):
            gain, noise, moves = rival_gain, rival_noise, other
    huge = is_huge(steps, order, brk)
    return Relaxed(base, room, multiplier, at_break, huge, e, moves, gain, noise)
