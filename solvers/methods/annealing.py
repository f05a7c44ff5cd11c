"""Simulated annealing, a baseline: random single and paired changes that stay feasible."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance, IntArray

from ..base import Deadline, Limits, Method, Outcome, Status
from ..local import improve, lightest, repair


@dataclass(frozen=True)
class Annealing(Method):
    """Accept a more expensive neighbour with probability exp(-rise / temperature).

    A neighbour takes another item in one class or, every second time, in two, so that one class
    can give what another takes. Neighbours beyond a capacity are refused. The temperature falls
    geometrically from the mean cost spread of a class by ``cooling``. The lightest choice, improved
    by single moves, is the start; the best choice met is improved again in the end.

    Args:
        cooling: last temperature over the first.

    References:
        S. Kirkpatrick, C. Gelatt, M. Vecchi, Science 220 (1983), 671-680.
    """

    sweeps: int = 1000
    cooling: float = 1e-4
    seed: int = 0

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Anneal from the lightest choice, repaired where it does not fit and improved."""
        deadline = Deadline.after(limits.time)
        start = repair(instance, lightest(instance), deadline)
        if start is None:
            return Outcome(Status.NO_SOLUTION, stats={"moves": 0})
        total = self.sweeps * len(instance)
        if limits.states is not None:
            total = min(total, limits.states)
        best, moves = self._anneal(instance, improve(instance, start, deadline), total, deadline)
        return Outcome(Status.FEASIBLE, improve(instance, best, deadline), stats={"moves": moves})

    def _anneal(
        self, instance: Instance, start: IntArray, total: int, deadline: Deadline
    ) -> tuple[IntArray, int]:
        moving = np.flatnonzero(instance.sizes > 1)
        if not moving.size or not total:
            return start, 0
        rng = np.random.default_rng(self.seed)
        costs, weights = instance.cost.tolist(), instance.weight.T.tolist()
        offsets, sizes = instance.offsets.tolist(), instance.sizes.tolist()
        residual = (instance.capacity - instance.usage(start)).tolist()
        at = instance.positions(start).tolist()
        gone, least, best = 0.0, 0.0, list(at)
        temperature = _spread(instance)
        factor = self.cooling ** (1.0 / total)
        for done in range(0, total, 1024):
            if deadline.passed:
                return np.array(best) - instance.offsets[:-1], done
            block = min(1024, total - done)
            owners = moving[rng.integers(0, moving.size, (block, 2))].tolist()
            draws = rng.random((block, 4)).tolist()
            for (first, second), (place, other, pair, accept) in zip(owners, draws, strict=True):
                temperature *= factor
                to = {first: offsets[first] + int(place * sizes[first])}
                if pair < 0.5:
                    to[second] = offsets[second] + int(other * sizes[second])
                rise = sum([costs[j] - costs[at[i]] for i, j in to.items()])
                if rise > 0.0 and accept >= math.exp(max(-rise / temperature, -700.0)):
                    continue
                left = [
                    r - sum([weights[j][k] - weights[at[i]][k] for i, j in to.items()])
                    for k, r in enumerate(residual)
                ]
                if min(left) < 0:
                    continue
                for i, j in to.items():
                    at[i] = j
                residual, gone = left, gone + rise
                if gone < least:
                    least, best = gone, list(at)
        return np.array(best) - instance.offsets[:-1], total


def _spread(instance: Instance) -> float:
    """Mean spread of the costs in a class, at least the smallest float."""
    starts = instance.offsets[:-1]
    spread = np.maximum.reduceat(instance.cost, starts) - np.minimum.reduceat(instance.cost, starts)
    return max(float(spread.mean()), 1e-300)


SOLVER = Annealing()
