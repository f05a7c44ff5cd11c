"""The k best choices of one resource: best first over partial choices, with exact completions."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from ..frontier.convex import convex_part
from ..frontier.lists import extended, narrow_first
from .space import Allocation, Answer, Space

MAX_STATES = 10_000_000
_SLACK = 1e-9
_SWAPS = 400
_BITS = 42

_Taken = tuple[()] | tuple["_Taken", int]
"""The items taken so far, the last one outermost."""


def ranked_by_tree(space: Space, k: int, max_states: int = MAX_STATES) -> list[Allocation] | None:
    """The k best choices, or None when the lists of states grow too long.

    Dynamic programming gives f_t(c), the least excess of the first t classes within weight c, as
    a list of undominated states. Partial choices of the other classes are then extended, class
    by class, always the one with the least :

        excess so far + f_t(room left)

    first, and of equal ones that with the fewest classes left. As f_t is exact, each extension that
    is taken up leads to a choice that is output. Lists leave out what no choice among the k best
    can use: states whose linear completion costs more than the k-th of some known choices.

    Args:
        space: one resource.
        k: at least 1.
        max_states: states to keep over all lists, and extensions to keep.

    Complexity: the lists, then O(k n log k).

    References:
        P. Hart, N. Nilsson, B. Raphael, IEEE Trans. Syst. Sci. Cybern. 4 (1968) 100-107 (the
        order).
    """
    best = space.best()
    lists = _lists(space.merged.instance, _known(space.merged.instance, best, k), max_states)
    if lists is None:
        return None
    instance = space.merged.instance
    room = int(instance.capacity[0] - instance.min_usage[0])
    heap: list[tuple[float, int, float, int, int, float, _Taken]] = []
    heapq.heappush(heap, (0.0, len(lists) - 1, 0.0, 0, room, 0.0, ()))
    count = 0
    found: list[tuple[float, tuple[int, ...], IntArray]] = []
    while heap and len(found) < k:
        _, t, _, _, left, excess, taken = heapq.heappop(heap)
        if t == 0:
            choice = _in_order(lists, taken)
            full = space.expanded(choice)
            found.append((space.instance.objective(full), choice, full))
            continue
        for j, (w, e) in enumerate(zip(lists[t].weight, lists[t].excess, strict=True)):
            rest = lists[t - 1].least(left - w) if w <= left else None
            if rest is not None:
                count += 1
                key = excess + e + rest
                entry = _rounded(key), t - 1, key, count, left - w, excess + e, (taken, j)
                heapq.heappush(heap, entry)
        if len(heap) > max_states:
            return None
    found.sort(key=lambda entry: entry[:2])
    return [Allocation(full, objective) for objective, _, full in found]


@dataclass(frozen=True)
class _List:
    """A class, its items' weights and excesses above the least, and the states after it."""

    index: int
    weight: list[int]
    excess: list[float]
    states: IntArray
    values: FloatArray

    def least(self, room: int) -> float | None:
        at = int(self.states.searchsorted(room, side="right")) - 1
        return float(self.values[at]) if at >= 0 else None


def _rounded(value: float) -> float:
    """A sum without the bits that its rounding may change, so that equal sums are equal."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(math.ldexp(mantissa, _BITS)), exponent - _BITS)


def _in_order(lists: list[_List], taken: _Taken) -> tuple[int, ...]:
    """The choice in the order of the classes; items were taken from the last list to the first."""
    choice = [0] * (len(lists) - 1)
    for entry in lists[1:]:
        assert taken
        taken, choice[entry.index] = taken
    return tuple(choice)


def _lists(instance: Instance, known: float, max_states: int) -> list[_List] | None:
    convex = convex_part(instance)
    least = np.minimum.reduceat(instance.weight[0], instance.offsets[:-1])
    room = int(instance.capacity[0] - least.sum())
    weight, excess = np.zeros(1, dtype=np.int64), np.zeros(1)
    found = [_List(-1, [], [], weight, excess)]
    left, states = np.ones(len(instance), dtype=bool), 0
    for i in narrow_first(instance).tolist():
        span = slice(int(instance.offsets[i]), int(instance.offsets[i + 1]))
        own_weight = instance.weight[0, span] - least[i]
        own_excess = instance.cost[span] - instance.cost[span].min()
        weight, excess, _ = extended(weight, excess, own_weight, own_excess, room)
        left[i] = False
        keep = excess + convex.completion(left)(room - weight) <= known * (1.0 + _SLACK)
        weight, excess = weight[keep], excess[keep]
        states += len(weight)
        if states > max_states:
            return None
        found.append(_List(i, own_weight.tolist(), own_excess.tolist(), weight, excess))
    return found


def _known(instance: Instance, best: Answer, k: int) -> float:
    """Excess of the k-th of the choices that differ from the best in at most two classes."""
    at = instance.positions(best.choice)
    starts = instance.offsets[:-1]
    base = float((instance.cost[at] - np.minimum.reduceat(instance.cost, starts)).sum())
    room = int(instance.capacity[0] - instance.weight[0, at].sum())
    owner = instance.class_of
    cost = instance.cost - instance.cost[at][owner]
    weight = instance.weight[0] - instance.weight[0, at][owner]
    other = np.ones(instance.n_items, dtype=bool)
    other[at] = False
    price = 0.0 if best.multiplier is None else float(best.multiplier[0])
    near = np.flatnonzero(other)[np.argsort((cost + price * weight)[other], kind="stable")][:_SWAPS]
    cost, weight, owner = cost[near], weight[near], owner[near]
    pair = np.triu(owner[:, None] != owner, 1) & (np.add.outer(weight, weight) <= room)
    costs = np.concatenate(([0.0], cost[weight <= room], np.add.outer(cost, cost)[pair]))
    if len(costs) < k:
        return np.inf
    return base + max(float(np.partition(costs, k - 1)[k - 1]), 0.0)
