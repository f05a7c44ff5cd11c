"""The k best choices of one resource: best first over partial choices, with exact completions."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance, IntArray, fitting

from ..base import Deadline
from ..excess import ExactCosts
from ..frontier.convex import Completions, convex_part
from ..frontier.lists import States, classes_of, extended
from .space import Allocation, RankedChoice, Space

MAX_STATES = 10_000_000
_SWAPS = 400

_Taken = tuple[()] | tuple["_Taken", int]
"""The items taken so far, the last one outermost."""


def ranked_by_tree(space: Space, k: int, max_states: int = MAX_STATES) -> list[Allocation] | None:
    """The k best choices, or None when the lists of states grow too long.

    Dynamic programming gives f_t(c), the least excess of the first t classes within weight c, as
    a list of undominated states. Partial choices of the other classes are then extended, class
    by class, always the one with the least :

        excess so far + f_t(residual capacity)

    first, and of equal ones that with the fewest classes left. Costs are exact integers, so each
    extension that is taken up leads to a choice that is output. Lists leave out what no choice
    among the k best can use: states whose linear completion costs more than the k-th of some
    known choices.

    Args:
        max_states: states to keep over all lists, and extensions to keep.

    Complexity: the lists, then O(k n log k).

    References:
        P. Hart, N. Nilsson, B. Raphael, IEEE Trans. Syst. Sci. Cybern. 4 (1968) 100-107 (the
        order).
    """
    best = space.best()
    instance = space.merged.instance
    known = _known(instance, best, k)
    lists = _lists(instance, known, max_states, space.deadline)
    if lists is None:
        return None
    residual = int(instance.capacity[0] - instance.min_usage[0])
    # Keys are exact, so that equal costs are equal; the count makes entries differ.
    heap: list[tuple[int, int, int, int, int, _Taken]] = [(0, len(lists) - 1, 0, residual, 0, ())]
    count = 0
    found: list[tuple[int, tuple[int, ...]]] = []
    while heap and len(found) < k:
        if count % 64 == 0:
            space.deadline.check()
        key, t, _, left, excess, taken = heapq.heappop(heap)
        if t == 0:
            found.append((key, _in_order(lists, taken)))
            continue
        for j, w, e in zip(lists[t].items, lists[t].weight, lists[t].excess, strict=True):
            rest = lists[t - 1].least(left - w) if w <= left else None
            if rest is not None:
                count += 1
                entry = excess + e + rest, t - 1, count, left - w, excess + e, (taken, j)
                heapq.heappush(heap, entry)
        if len(heap) > max_states:
            return None
    choices = [space.expanded(choice) for _, choice in sorted(found)]
    return [Allocation(choice, space.instance.objective(choice)) for choice in choices]


@dataclass(frozen=True)
class _List:
    """A class, its items with weights and excesses above the least, and the states after it."""

    index: int
    items: list[int]
    weight: list[int]
    excess: list[int]
    states: IntArray
    values: ExactCosts

    def least(self, residual: int) -> int | None:
        at = int(self.states.searchsorted(residual, side="right")) - 1
        return self.values.integer(at) if at >= 0 else None


def _in_order(lists: list[_List], taken: _Taken) -> tuple[int, ...]:
    """The choice in the order of the classes; items were taken from the last list to the first."""
    choice = [0] * (len(lists) - 1)
    for entry in lists[1:]:
        assert taken
        taken, choice[entry.index] = taken
    return tuple(choice)


def _lists(
    instance: Instance, known: float, max_states: int, deadline: Deadline
) -> list[_List] | None:
    useful = fitting(instance)
    bound = Completions(convex_part(instance, useful, deadline))
    most = known * (1.0 + bound.slack)
    residual = int(instance.capacity[0] - instance.min_usage[0])
    kept: States | None = None
    found: list[_List] = []
    states = 0
    for i, items, weight, excess in classes_of(instance, useful):
        if kept is None:
            kept = States.start(excess)
            found.append(_List(-1, [], [], [], kept.weight, kept.excess))
        kept = extended(kept, weight, excess, residual, deadline)
        completion = bound.without(i, residual - kept.weight)
        kept = kept.take(np.flatnonzero(kept.excess.floats() + completion <= most))
        states += len(kept.weight)
        if states > max_states:
            return None
        items_, weights = items.tolist(), weight.tolist()
        found.append(_List(i, items_, weights, excess.integers(), kept.weight, kept.excess))
    return found


def _known(instance: Instance, best: RankedChoice, k: int) -> float:
    """Excess of the k-th of the choices that differ from the best in at most two classes."""
    at = instance.positions(best.choice)
    useful = fitting(instance)
    cheapest = np.minimum.reduceat(np.where(useful, instance.cost, np.inf), instance.offsets[:-1])
    base = float((instance.cost[at] - cheapest).sum())
    residual = int(instance.capacity[0] - instance.weight[0, at].sum())
    owner = instance.class_of
    cost = instance.cost - instance.cost[at][owner]
    weight = instance.weight[0] - instance.weight[0, at][owner]
    other = np.ones(instance.n_items, dtype=bool)
    other[at] = False
    price = 0.0 if best.multiplier is None else float(best.multiplier[0])
    with np.errstate(over="ignore"):
        order = np.argsort((cost + price * weight)[other], kind="stable")
    near = np.flatnonzero(other)[order][:_SWAPS]
    cost, weight, owner = cost[near], weight[near], owner[near]
    pair = np.triu(owner[:, None] != owner, 1) & (np.add.outer(weight, weight) <= residual)
    costs = np.concatenate(([0.0], cost[weight <= residual], np.add.outer(cost, cost)[pair]))
    if len(costs) < k:
        return np.inf
    return base + max(float(np.partition(costs, k - 1)[k - 1]), 0.0)
