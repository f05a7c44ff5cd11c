"""Lagrangian relaxation: exact dual by chords for one resource, subgradients for several."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, fitting, restrict

from ..base import Deadline, Limits, Method, Outcome, Status
from ..dual import cheapest, dual_bound
from ..local import improve, lightest, repair


@dataclass(frozen=True)
class Lagrangian(Method):
    """Price the resources, let every class take its cheapest item, adjust the prices.

    The dual D(u) (:func:`bitknap.solvers.dual.dual_bound`) is concave and piecewise linear. For
    one resource a choice below and one above the capacity define the next price, the slope of
    the chord between them, until no choice lies under the chord: at most one step per hull vertex,
    in practice about ten. For several, the excess usage at u is a subgradient; half the last
    direction is added to it (Camerini, Fratta, Maffioli) and the step has Polyak's length
    against the best known cost. Choices met on the way are repaired and
    improved by single moves.

    Complexity: O(K n) per iteration.

    References:
        M. Fisher, Management Science 27 (1981), 1-18; M. Held, P. Wolfe, H. Crowder,
        Math. Programming 6 (1974), 62-88; P. Camerini, L. Fratta, F. Maffioli, Math.
        Programming Study 3 (1975), 26-34.
    """

    iterations: int = 300

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Maximise the dual, keep the best feasible choice."""
        small, old = restrict(instance, fitting(instance))
        run = _chords if instance.n_resources == 1 else _subgradients
        deadline = Deadline.after(limits.time)
        choice, multiplier, steps = run(small, self.iterations, deadline)
        bound = dual_bound(small, multiplier)
        if choice is None:
            return Outcome(Status.NO_SOLUTION, bound=bound, stats={"iterations": steps})
        chosen = old[small.positions(choice)] - instance.offsets[:-1]
        return Outcome(
            Status.FEASIBLE, chosen, bound, multiplier=multiplier, stats={"iterations": steps}
        )


Found = tuple[IntArray | None, FloatArray, int]


def _chords(instance: Instance, iterations: int, deadline: Deadline) -> Found:
    """Maximise the dual of one resource: intersect the chords of a heavy and a light choice."""
    weight = instance.above_lightest[0].astype(np.float64)
    residual = float(instance.capacity[0] - instance.min_usage[0])
    heavy = cheapest(instance, instance.cost)
    if instance.usage(heavy)[0] <= instance.capacity[0]:
        return heavy, np.zeros(1), 0
    light = lightest(instance)
    multiplier, steps = 0.0, 0
    while steps < iterations and not deadline.passed:
        up, down = instance.positions(heavy), instance.positions(light)
        gap = math.fsum(weight[up].tolist()) - math.fsum(weight[down].tolist())
        rise = math.fsum([*instance.cost[down].tolist(), *(-instance.cost[up]).tolist()])
        slope = max(rise / gap, 0.0)
        if steps and abs(slope - multiplier) <= 4e-16 * slope:
            break
        multiplier, steps = slope, steps + 1
        middle = cheapest(instance, instance.cost + slope * weight)
        used = math.fsum(weight[instance.positions(middle)].tolist())
        if np.array_equal(middle, heavy) or np.array_equal(middle, light):
            break
        heavy, light = (middle, light) if used > residual else (heavy, middle)
    return improve(instance, light, deadline), np.array([multiplier]), steps


def _subgradients(instance: Instance, iterations: int, deadline: Deadline) -> Found:
    """Polyak steps on prices per share; repair the first choices and every tenth."""
    residual = np.maximum(instance.capacity - instance.min_usage, 1).astype(np.float64)
    shares = instance.above_lightest / residual[:, None]
    price, best_price, ascent = np.zeros((3, len(residual)))
    best_value, best_cost, best = -math.inf, math.inf, None
    factor, stalled, steps = 1.5, 0, 0
    start = repair(instance, lightest(instance), deadline)
    if start is not None:
        best = improve(instance, start, deadline)
        best_cost = instance.objective(best)
    limit = best_cost if best is not None else float(_largest_cost(instance))
    for steps in range(1, iterations + 1):
        choice = cheapest(instance, instance.cost + price @ shares)
        at = instance.positions(choice)
        excess = shares[:, at].sum(axis=1) - 1.0
        value = instance.objective(choice) + float(price @ excess)
        stalled += 1
        if value > best_value:
            best_value, best_price, stalled = value, price, 0
        if stalled >= 10:
            factor, stalled = factor / 2, 0
        if steps <= 10 or steps % 10 == 0:
            found = repair(instance, choice, deadline)
            found = None if found is None else improve(instance, found, deadline)
            if found is not None and (best is None or instance.objective(found) < best_cost):
                best, best_cost = found, instance.objective(found)
                limit = best_cost
        ascent = excess + 0.5 * ascent
        ascent = np.where((price > 0.0) | (ascent > 0.0), ascent, 0.0)
        length = float(ascent @ ascent)
        if length <= 1e-18 or limit <= value or deadline.passed:
            break
        price = np.maximum(price + factor * (limit - value) / length * ascent, 0.0)
    return best, best_price / residual, steps


def _largest_cost(instance: Instance) -> float:
    return math.fsum(np.maximum.reduceat(instance.cost, instance.offsets[:-1]).tolist())


SOLVER = Lagrangian()
