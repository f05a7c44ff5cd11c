"""Every choice tried, in exact integers: the reference on tiny instances."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance

from ..base import Deadline, Limits, Method, Outcome, Status
from ..exact import exact_integers


@dataclass(frozen=True)
class BruteForce(Method):
    """Exhaustive enumeration; nothing is pruned, sums are exact.

    Complexity: the product of the class sizes.
    """

    most: int = 1_000_000

    exact = True

    def supports(self, instance: Instance) -> str | None:
        """At most ``most`` choices."""
        digits = math.fsum(np.log10(instance.sizes).tolist())
        if digits <= math.log10(self.most) + 1e-9:
            return None
        return f"about 10^{digits:.0f} choices are too many to try; the limit is {self.most}"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Try all choices, or as many as the limits allow."""
        deadline = Deadline.after(limits.time)
        most = math.inf if limits.states is None else limits.states
        costs, _ = exact_integers(instance.cost)
        capacity = tuple(instance.capacity.tolist())
        best: tuple[int, tuple[int, ...]] | None = None
        tried, done = 0, True
        for cost, usage, items in _choices(instance, costs):
            if tried >= most or (tried % 1024 == 0 and deadline.passed):
                done = False
                break
            tried += 1
            if (best is None or cost < best[0]) and all(
                u <= c for u, c in zip(usage, capacity, strict=True)
            ):
                best = cost, items
        stats = {"choices": tried}
        if best is None:
            return Outcome(Status.INFEASIBLE if done else Status.NO_SOLUTION, stats=stats)
        choice = np.array(best[1], dtype=np.int64)
        return Outcome(Status.OPTIMAL if done else Status.FEASIBLE, choice, stats=stats)


def _choices(
    instance: Instance, costs: list[int]
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Cost, usages and items of every choice, the last class varying fastest."""
    rows = list(zip(*instance.weight.tolist(), strict=True))
    starts = instance.offsets.tolist()
    # Classes of one item are added beforehand, so the recursion is at most 20 deep.
    open_classes = np.flatnonzero(instance.sizes > 1).tolist()
    forced = instance.offsets[:-1][instance.sizes == 1].tolist()
    items = [0] * len(instance)

    def extend(
        depth: int, cost: int, usage: tuple[int, ...]
    ) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        if depth == len(open_classes):
            yield cost, usage, tuple(items)
            return
        i = open_classes[depth]
        for j in range(starts[i], starts[i + 1]):
            items[i] = j - starts[i]
            total = tuple([u + w for u, w in zip(usage, rows[j], strict=True)])
            yield from extend(depth + 1, cost + costs[j], total)

    usage = tuple(sum(rows[j][k] for j in forced) for k in range(instance.n_resources))
    return extend(0, sum(costs[j] for j in forced), usage)


SOLVER = BruteForce()
