"""Relaxation and first incumbent, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_direct import direct_steps, is_direct
from .kernel_hull import NO_SLOPE, SLACK, bound_in, make_envelope, segment
from .kernel_relax import NEAR_STEPS, near_steps
from .kernel_sort import falling
from .kernel_thin import all_classes, is_thick, restore

Relaxed = namedtuple(
    "Relaxed",
    [
        "base", "room", "multiplier", "at_break", "excess", "envelope", "moves", "gain", "noise",
        "gap", "bound", "lead", "settled",
    ],
)  # fmt: skip


@njit(cache=True, inline="always")
def complete(steps: Any, order: Any, brk: int, room: int, base: Any) -> Any:
    """Take the steps behind the break that still fit; return ``(class, item)`` moved, by class.

    The steps of a class stand one behind another, each from where the last one leads.
    """
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
        follows = a > 0 and steps.cls[a - 1] == i
        if (steps.head[a - 1] if follows else base[i]) == stands and steps.weight[a] <= room:
            room -= steps.weight[a]
            cls[at], item[at] = i, steps.head[a]
            m = max(m, at + 1)
    moves = np.empty((m, 2), dtype=np.int64)
    for k in range(m):
        at = k
        while at > 0 and moves[at - 1, 0] > cls[k]:
            moves[at] = moves[at - 1]
            at -= 1
        moves[at, 0], moves[at, 1] = cls[k], item[k]
    return moves


@njit(cache=True, inline="always")
def best_move(
    offsets: Any, cost: Any, weight: Any, base: Any, room: int, gap: Any, least: float, goal: float
) -> Any:
    """Class, item and change of cost of the first cheapest move that fits and beats ``least``.

    Of items of equal cost it is the lightest, which dominates the others. Stops at ``goal``, which
    no move can beat.
    """
    cls, item = -1, -1
    slack = least - goal + SLACK * (abs(least) + abs(goal))
    for i in range(base.size):
        if least <= goal:
            break
        if gap[i] > slack:
            continue
        c, w = cost[base[i]], weight[base[i]]
        # Hardly any class has such a move, which is seen without branches.
        found = False
        for j in range(offsets[i], offsets[i + 1]):
            u = np.uint64(j)
            found |= (cost[u] - c <= least) & (weight[u] - w <= room)
        if not found:
            continue
        for j in range(offsets[i], offsets[i + 1]):
            twin = i == cls and cost[j] == cost[item] and weight[j] < weight[item]
            if (cost[j] - c < least or twin) and weight[j] - w <= room:
                cls, item, least = i, j, cost[j] - c
    return cls, item, least


@njit(cache=True, inline="always")
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
    """Sum of the changes of cost, twice as precise as a float, and of their absolute values."""
    gain = rest = noise = 0.0
    for k in range(moves.shape[0]):
        change = cost[moves[k, 1]] - cost[base[moves[k, 0]]]
        new = gain + change
        part = new - gain
        rest += (gain - (new - part)) + (change - part)
        gain, noise = new, noise + abs(change)
    return gain + rest, noise


@njit(cache=True)
def difference(base: Any, rival: Any) -> Any:
    """``(class, item)`` of the classes in which a choice differs from the base."""
    n = 0
    for i in range(base.size):
        n += base[i] != rival[i]
    moves = np.empty((n, 2), dtype=np.int64)
    n = 0
    for i in range(base.size):
        if base[i] != rival[i]:
            moves[n, 0], moves[n, 1] = i, rival[i]
            n += 1
    return moves


@njit(cache=True, inline="always")
def excess(steps: Any, order: Any, brk: int, spare: float) -> float:
    """See :func:`.relaxation.excess`."""
    times = 0.0
    if brk < order.size:
        near = order[max(0, brk - NEAR_STEPS) : brk + NEAR_STEPS]
        multiplier = steps.slope[order[brk]]
        alive = 0
        for a in near:
            alive += abs(steps.slope[a] - multiplier) * steps.weight[a] <= spare
        if 2 * alive >= near.size:
            heavier = steps.weight[near].astype(np.float64)
            middle = heavier[falling(heavier)[near.size // 2]]
            times = np.float64(steps.weight[order[brk]]) / middle
    return times


@njit(cache=True)
def first_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """The steps around the break."""
    if is_direct(offsets, cost, weight):
        return direct_steps(offsets, cost, weight, ends, capacity)
    if not is_thick(offsets, cost, weight, ends):
        return near_steps(offsets, cost, weight, ends, capacity)
    t = all_classes(offsets, cost, weight, ends)
    near = near_steps(t.offsets, t.cost, t.weight, t.ends, capacity)
    return restore(offsets, cost, weight, t, near)


@njit(cache=True)
def relax(
    offsets: Any, cost: Any, weight: Any, near: Any, reach: float, whole: bool, rival: Any
) -> Any:
    """Solve the relaxation and find a first incumbent: greedy, one move, or the rival if given.

    ``rival`` holds items, or nothing. Settled: no choice is cheaper than that incumbent. Takes the
    steps before the break in ``near.base``.
    """
    steps, order, brk, room = near.steps, near.order, near.brk, near.room
    base, gap = near.base, near.gap
    for k in range(brk):
        a = order[k]
        i = steps.cls[a]
        if weight[steps.head[a]] > weight[base[i]]:
            base[i] = steps.head[a]
    multiplier, at_break = 0.0, -1
    if brk < order.size:
        multiplier, at_break = steps.slope[order[brk]], steps.cls[order[brk]]
    e = first_envelope(steps, order, brk, reach)
    bound = bound_in(e, segment(e, room), 0.0, room) - e.allowance
    goal = np.ceil(bound) if abs(bound) < 2.0**51 and whole else bound
    moves = complete(steps, order, brk, room, base)
    gain, noise = changes(moves, base, cost)
    lead = np.inf
    if rival.size:
        other = difference(base, rival)
        rival_gain, rival_noise = changes(other, base, cost)
        lead = bound - rival_gain
        if rival_gain <= gain + SLACK * (noise + rival_noise):
            gain, noise, moves = rival_gain, rival_noise, other
    i, j, change = best_move(offsets, cost, weight, base, room, gap, gain, goal)
    if change < gain:
        gain, noise = change, -change
        moves = np.array([[i, j]])
    settled = gain <= goal if goal > bound else gain + SLACK * noise <= bound
    settled &= noise < 2.0**51 or goal == bound
    times = 0.0 if settled else excess(steps, order, brk, gain - bound)
    return Relaxed(
        base,
        room,
        multiplier,
        at_break,
        times,
        e,
        moves,
        gain,
        noise,
        gap,
        bound,
        lead,
        settled,
    )
