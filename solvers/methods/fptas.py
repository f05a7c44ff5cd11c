"""Fully polynomial approximation: within (1 + eps) of the optimum by scaled dynamic programming."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray
from bitknap.problems.validation import MAX_TOTAL

from ..base import Deadline, Limits, Method, Outcome, Status
from ..dual import cheapest, dual_bound
from ..relaxation import relax


@dataclass(frozen=True)
class Fptas(Method):
    """Round the costs above the class minima down to few levels, then recurse over them exactly.

    With d_ij = c_ij - min_j c_ij >= 0, D the sum of the chosen d and D_opt the least such sum:

        D <= (1 + eps) D_opt,    hence    cost <= optimum + eps (optimum - sum_i min_j c_ij)

    and cost <= (1 + eps) optimum where costs are not negative. (No approximation relative to the
    optimum itself exists when costs may cancel.) Let T be the least level at which items with
    d <= T admit a feasible choice; then T <= D_opt <= L T. With a lower bound B <= D_opt of T and
    the relaxation, and the unit u = eps B / L,

        f_i(q) = min_j f_{i-1}(q - floor(d_ij / u)) + w_ij

    is the least weight at q units. The first q whose weight fits misses at most u a class, so
    D < D_opt + L u <= (1 + eps) D_opt, and u q <= D_opt.

    Args:
        eps: relative error of the cost above the minima, positive.
        most_states: L (q_max + 1) beyond which an instance is refused.

    Complexity: O(n q_max) time, q_max = (U / B) L / eps for the best known U >= D_opt, at most
    L^2 / eps.

    References:
        E. Lawler, Math. Operations Research 4 (1979), 339-356; A. Chandra, D. Hirschberg,
        C. Wong, Theoretical Computer Science 3 (1976), 293-304.
    """

    eps: float = 0.1
    most_states: int = 200_000_000

    def supports(self, instance: Instance) -> str | None:
        """One resource, and a table of moderate size."""
        if not self.eps > 0.0:
            return f"eps must be positive, got {self.eps}"
        if instance.n_resources != 1:
            return "this scheme handles one resource only"
        states = len(instance) * (_plan(instance, self.eps).top + 1)
        if states <= self.most_states:
            return None
        return f"the table would hold {states} states, more than {self.most_states}; raise eps"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Bracket the optimum, scale, recurse, read the choice backwards."""
        plan = _plan(instance, self.eps)
        if plan.optimal:
            return Outcome(Status.OPTIMAL, plan.choice, stats={"states": 0})
        deadline = Deadline.after(limits.time)
        units, choice = _recurse(instance, plan, deadline)
        stats = {"states": len(instance) * (plan.top + 1), "eps": self.eps}
        if choice is None:
            return Outcome(Status.FEASIBLE, plan.choice, plan.bound, stats=stats | {"eps": None})
        bound = max(plan.bound, _bound_of(instance, math.ldexp(units * plan.unit, plan.exponent)))
        if instance.objective(plan.choice) < instance.objective(choice):
            choice = plan.choice
        return Outcome(Status.FEASIBLE, choice, bound, stats=stats)


@dataclass(frozen=True)
class _Scaling:
    """A known choice and bound; d, U and u divided by 2^exponent near T; the largest q."""

    choice: IntArray
    bound: float
    optimal: bool = False
    deviation: FloatArray = field(default_factory=lambda: np.empty(0))
    exponent: int = 0
    unit: float = 1.0
    top: int = 0


def _deviation(instance: Instance) -> FloatArray:
    lowest = np.minimum.reduceat(instance.cost, instance.offsets[:-1])
    above: FloatArray = instance.cost - np.repeat(lowest, instance.sizes)
    return above


def _bound_of(instance: Instance, deviation: float) -> float:
    """sum_i min_j c_ij + deviation, less what rounding may have added."""
    lowest = np.minimum.reduceat(instance.cost, instance.offsets[:-1]).tolist()
    less = 1e-14 * deviation
    return math.nextafter(math.fsum([*lowest, deviation - less]), -math.inf)


def _plan(instance: Instance, eps: float) -> _Scaling:
    deviation = _deviation(instance)
    capacity = int(instance.capacity[0])
    level, bottleneck = _bottleneck(instance, deviation, capacity)
    relaxed = relax(instance)
    rounded = relaxed.item - instance.offsets[:-1]
    bound = dual_bound(instance, np.array([relaxed.multiplier]))
    choice = min((bottleneck, rounded), key=instance.objective)
    if level == 0.0:
        return _Scaling(bottleneck, bound, optimal=True)
    lowest = np.minimum.reduceat(instance.cost, instance.offsets[:-1]).tolist()
    below = max(level, math.fsum([bound, *[-c for c in lowest]]) * (1.0 - 1e-12))
    above = math.fsum(deviation[instance.positions(choice)].tolist())
    # Division by a power of two is exact and keeps the unit of tiny costs from underflow.
    exponent = math.frexp(below)[1]
    below, above = math.ldexp(below, -exponent), math.ldexp(above, -exponent)
    with np.errstate(over="ignore"):
        deviation = np.ldexp(deviation, -exponent)
    unit = eps * min(below, above) / len(instance)
    return _Scaling(choice, bound, False, deviation, exponent, unit, int(above / unit) + 1)


def _bottleneck(instance: Instance, deviation: FloatArray, capacity: int) -> tuple[float, IntArray]:
    """The least level T whose items d <= T admit a feasible choice, and its lightest choice."""
    levels = np.unique(deviation)
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        if _lightest(instance, deviation <= levels[middle])[1] <= capacity:
            high = middle
        else:
            low = middle + 1
    return float(levels[low]), _lightest(instance, deviation <= levels[low])[0]


def _lightest(instance: Instance, allowed: np.ndarray) -> tuple[IntArray, int]:
    weight = np.where(allowed, instance.weight[0], np.iinfo(np.int64).max)
    choice = cheapest(instance, weight)
    return choice, int(weight[instance.positions(choice)].sum())


def _recurse(instance: Instance, plan: _Scaling, deadline: Deadline) -> tuple[int, IntArray | None]:
    far = MAX_TOTAL
    with np.errstate(over="ignore"):
        units = np.minimum(np.floor(plan.deviation / plan.unit), plan.top + 1).astype(np.int64)
    lightest = np.full(plan.top + 1, far)
    lightest[0] = 0
    taken = np.zeros((len(instance), plan.top + 1), dtype=np.int32)
    for i, (start, stop) in enumerate(
        zip(instance.offsets[:-1], instance.offsets[1:], strict=True)
    ):
        after = np.full(plan.top + 1, far)
        for j in range(start, stop):
            if deadline.passed:
                return 0, None
            q = int(units[j])
            if q > plan.top:
                continue
            offer = lightest[: plan.top + 1 - q] + instance.weight[0, j]
            better = offer < after[q:]
            after[q:][better] = offer[better]
            taken[i, q:][better] = j - start
        lightest = np.minimum(after, far)
    return _read_back(instance, units, lightest, taken)


def _read_back(
    instance: Instance, units: IntArray, lightest: IntArray, taken: np.ndarray
) -> tuple[int, IntArray]:
    q = level = int(np.flatnonzero(lightest <= instance.capacity[0])[0])
    choice = np.empty(len(instance), dtype=np.int64)
    for i in range(len(instance) - 1, -1, -1):
        choice[i] = taken[i, q]
        q -= int(units[instance.offsets[i] + choice[i]])
    return level, choice


SOLVER = Fptas()
