"""The paper's greedy: from the most precise items downwards by smallest loss per bit saved."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bitknap.problems import Instance, lower_hulls, undominated

from ..base import Deadline, Limits, OneResource, Outcome, Status

Order = Literal["smallest", "largest", "random"]


@dataclass(frozen=True)
class Greedy(OneResource):
    """Lower one class at a time until the capacity is met.

    Dominated items are dropped, every class starts at its heaviest remaining item, and while the
    usage exceeds the capacity the class with the smallest

        (cost_next - cost_current) / (weight_current - weight_next)

    steps down by one item. Direction and stopping rule are our reading of the paper.

    Args:
        hull: keep only the lower convex hull of each class, which makes the steps those of the
            linear relaxation.
        refill: after the capacity is met, step classes up again where the residual capacity
            allows it, the largest fall in cost per unit of weight first.
        order: which ratio goes first; the paper shows ``smallest`` beats ``largest`` and
            ``random`` (its Figure 2).

    Complexity: O(n log n).

    References:
        W. Chen, P. Wang, J. Cheng, ICCV 2021, arXiv 2110.06554.
    """

    hull: bool = False
    refill: bool = False
    order: Order = "smallest"
    seed: int = 0

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Descend to the first feasible choice."""
        deadline = Deadline.after(limits.time)
        ladders = _ladders(instance, self.hull)
        level = [len(ladder) - 1 for ladder in ladders]
        steps = self._descend(instance, ladders, level)
        if self.refill:
            steps += _refill(instance, ladders, level, deadline)
        choice = [ladder[at] for ladder, at in zip(ladders, level, strict=True)]
        return Outcome(Status.FEASIBLE, np.array(choice, dtype=np.int64), stats={"steps": steps})

    def _descend(self, instance: Instance, ladders: list[list[int]], level: list[int]) -> int:
        cost, weight, offsets = instance.cost, instance.weight[0], instance.offsets
        random = np.random.default_rng(self.seed)

        def entry(i: int) -> tuple[float, int]:
            now, lower = offsets[i] + ladders[i][level[i]], offsets[i] + ladders[i][level[i] - 1]
            ratio = float(cost[lower] - cost[now]) / float(weight[now] - weight[lower])
            key = {"smallest": ratio, "largest": -ratio}.get(self.order)
            return (random.random() if key is None else key), i

        heap = [entry(i) for i in range(len(instance)) if level[i]]
        heapq.heapify(heap)
        over = int(sum(weight[offsets[i] + ladders[i][-1]] for i in range(len(instance))))
        over -= int(instance.capacity[0])
        steps = 0
        while over > 0:
            _, i = heapq.heappop(heap)
            over -= int(
                weight[offsets[i] + ladders[i][level[i]]]
                - weight[offsets[i] + ladders[i][level[i] - 1]]
            )
            level[i] -= 1
            steps += 1
            if level[i]:
                heapq.heappush(heap, entry(i))
        return steps


def _ladders(instance: Instance, hull: bool) -> list[list[int]]:
    """Undominated items of each class, lightest (and most expensive) first."""
    at, owner = np.flatnonzero(undominated(instance)), instance.class_of
    if hull:
        at = at[lower_hulls(owner[at], instance.cost[at], instance.weight[0, at])]
    at = at[np.lexsort((instance.weight[0, at], owner[at]))]
    ends = np.flatnonzero(np.diff(owner[at])) + 1
    return [part.tolist() for part in np.split(at - instance.offsets[owner[at]], ends)]


def _refill(
    instance: Instance, ladders: list[list[int]], level: list[int], deadline: Deadline
) -> int:
    cost, weight, offsets = instance.cost, instance.weight[0], instance.offsets
    residual = int(instance.capacity[0]) - sum(
        int(weight[offsets[i] + ladder[level[i]]]) for i, ladder in enumerate(ladders)
    )

    def entry(i: int, to: int) -> tuple[float, int, int]:
        now, upper = offsets[i] + ladders[i][level[i]], offsets[i] + ladders[i][to]
        return -float(cost[now] - cost[upper]) / float(weight[upper] - weight[now]), i, to

    heap = [
        entry(i, to) for i, ladder in enumerate(ladders) for to in range(level[i] + 1, len(ladder))
    ]
    heapq.heapify(heap)
    steps = 0
    while heap and not deadline.passed:
        _, i, to = heapq.heappop(heap)
        if to <= level[i]:
            continue
        added = int(weight[offsets[i] + ladders[i][to]] - weight[offsets[i] + ladders[i][level[i]]])
        if added > residual:
            continue
        residual -= added
        level[i] = to
        steps += 1
        for further in range(to + 1, len(ladders[i])):
            heapq.heappush(heap, entry(i, further))
    return steps


SOLVER = Greedy()
