"""``solve_core``: the exact solver of the multiple-choice knapsack."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from bitknap.problems import InstanceError, build_instance

from ..base import Limits, Status
from .library import INFEASIBLE, MALFORMED, OPTIMAL, SCALE, WIDE, Floats, Found, Ints, run

__all__ = ["CoreResult", "solve_core"]

_NEVER = 1 << 62
_FAULTS = (
    "",
    "every class needs at least one item",
    "weights must not be negative",
    "costs must be finite, got an infinity or NaN",
    "the weights add up to 2^62 or more, beyond 64-bit integers; use a coarser unit",
)


class CoreResult(NamedTuple):
    """Answer of :func:`bitknap.solvers.core.solve_core`.

    Attributes
    ----------
    status
        ``"optimal"`` (proven), ``"feasible"`` (a limit stopped the proof) or ``"infeasible"``
        (even the lightest items do not fit).
    choice
        Position of the chosen item within each class, shape (L,); ``None`` when infeasible.
    objective
        Cost of ``choice``, ``math.fsum`` of its items; ``inf`` when infeasible.
    bound
        A true lower bound on the optimum; equals ``objective`` when optimal.
    multiplier
        Lagrange multiplier of the capacity at the break item of the linear relaxation, in cost
        per unit of weight, >= 0; 0 when the capacity does not bind.
    stats
        What the search did: see :func:`bitknap.solvers.core.solve_core`.
    """

    status: str
    choice: Ints | None
    objective: float
    bound: float
    multiplier: float
    stats: dict[str, float | int | str]

    @property
    def optimal(self) -> bool:
        """Whether the choice is proven optimal."""
        return self.status == "optimal"


def solve_core(
    offsets: Ints,
    cost: Floats,
    weight: Ints,
    capacity: int,
    *,
    time_limit: float | None = None,
    state_limit: int | None = None,
) -> CoreResult:
    """Minimise cost, one item a class, total weight at most the capacity: exactly.

        min sum_i c[i, j_i]   s.t.   sum_i w[i, j_i] <= capacity

    The linear relaxation gives a break solution; classes then enter a core around it one by one
    and dynamic programming by reaching enumerates, undominated and fathomed by linear bounds, how
    they may deviate from it (Pisinger 1995).

    What is guaranteed: the costs are taken as the rational numbers that the floats are, and an
    ``"optimal"`` choice is an exact optimum of the instance, for any finite costs. Those that may
    be part of a better choice than the first one found are integers in one unit; where these have
    more than about 120 bits, branch and bound in Python's integers solves the instance instead.
    Ties are broken the same way on every run. The objective is the correctly rounded sum of the
    chosen costs.

    Args:
        offsets: class ``i`` owns items ``offsets[i]:offsets[i + 1]``, shape (L + 1,).
        cost: cost of each item, finite, any sign, shape (n,).
        weight: weight of each item, >= 0, shape (n,); the heaviest items of all classes together
            weigh less than 2**62.
        capacity: largest total weight.
        time_limit: seconds after which to stop with the best choice and bound found.
        state_limit: number of states made after which to stop likewise.

    Returns:
        The choice with its proof or bound. Its ``stats``: ``classes_fixed``, classes that the
        bounds leave at their break item from the start; ``items_left``, items of the others;
        ``core_size``, classes that entered the core; ``states_total`` and ``states_peak``;
        ``lp_bound``; ``branches``, nodes searched with a class fixed, where one was too large for
        the core. ``method`` and ``reason`` where another method solved the instance.

    Raises:
        InstanceError: the arrays are not an instance, or weights overflow.
        UnsupportedError: the native kernel was not built.
        MemoryError: the states do not fit into memory.

    References:
        D. Pisinger, EJOR 83 (1995) 394-410, doi:10.1016/0377-2217(95)00015-I.
        M. E. Dyer, Math. Program. 29 (1984) 57-63; E. Zemel, Inf. Process. Lett. 18 (1984) 123-128.
        P. Sinha, A. Zoltners, Oper. Res. 27 (1979) 503-515.
        K. Dudzinski, S. Walukiewicz, EJOR 28 (1987) 3-21.

    Example:
        >>> r = solve_core(np.array([0, 2, 4]), np.array([3.0, 1, 5, 1]), np.array([1, 2, 1, 3]), 4)
        >>> r.status, r.objective, r.choice.tolist()
        ('optimal', 4.0, [0, 1])
    """
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    cost = np.ascontiguousarray(cost, dtype=np.float64)
    weight = np.ascontiguousarray(weight, dtype=np.int64)
    _check_shapes(offsets, cost, weight)
    capacity = max(-1, min(int(capacity), _NEVER))
    seconds = math.inf if time_limit is None else time_limit
    states = _NEVER if state_limit is None else state_limit
    found, scale = run(offsets, cost, weight, capacity, seconds, states), 0
    wide = "the costs that matter span more than 120 bits"
    if found.code == SCALE:
        # A power of two brings the largest cost near 1.
        scale = math.frexp(float(np.abs(cost).max()))[1]
        scaled = np.ldexp(cost, -scale)
        if np.array_equal(np.ldexp(scaled, scale), cost):
            found = run(offsets, scaled, weight, capacity, seconds, states)
        else:
            wide = "the costs span more than 570 orders of magnitude"
    if found.code == MALFORMED:
        raise InstanceError(_FAULTS[found.answer.fault])
    if found.code == INFEASIBLE:
        return CoreResult("infeasible", None, math.inf, math.inf, 0.0, {})
    if found.code in (WIDE, SCALE):
        limits = Limits(time_limit, state_limit)
        return _in_integers(offsets, cost, weight, capacity, limits, wide)
    return _report(offsets, cost, scale, found)


def _check_shapes(offsets: Ints, cost: Floats, weight: Ints) -> None:
    n = cost.size
    if cost.ndim != 1 or weight.shape != cost.shape:
        raise InstanceError(
            f"costs and weights must be two vectors of one length, got {cost.shape}, {weight.shape}"
        )
    if offsets.ndim != 1 or offsets.size < 2 or offsets[0] != 0 or offsets[-1] != n:
        raise InstanceError(f"offsets must run from 0 to the number of items {n}, with a class")


def _in_integers(
    offsets: Ints, cost: Floats, weight: Ints, capacity: int, limits: Limits, reason: str
) -> CoreResult:
    """Solve by branch and bound on Python's integers, which have no width."""
    from ..methods.branch_bound import BranchAndBound

    pairs = list(zip(cost.tolist(), weight.tolist(), strict=True))
    classes = [pairs[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    instance = build_instance(classes, capacity)
    outcome = BranchAndBound().solve(instance, limits)
    assert outcome.choice is not None
    objective = instance.objective(outcome.choice)
    optimal = outcome.status is Status.OPTIMAL
    bound = objective if optimal or outcome.bound is None else min(objective, outcome.bound)
    stats = {**outcome.stats, "method": "branch_bound", "reason": reason, "lp_bound": bound}
    return CoreResult(str(outcome.status), outcome.choice, objective, bound, 0.0, stats)


def _report(offsets: Ints, cost: Floats, scale: int, found: Found) -> CoreResult:
    """Turn what the kernel found into objective and bound of the given costs."""
    answer, optimal = found.answer, found.code == OPTIMAL
    objective = math.fsum(cost[found.choice].tolist())

    def bound(below: float) -> float:
        by = math.ldexp(below, scale)
        return objective - by - 2.0**-50 * (abs(objective) + abs(by)) - 5e-324

    stats: dict[str, float | int | str] = {
        "classes_fixed": found.choice.size - answer.classes,
        "items_left": answer.items,
        "core_size": answer.core,
        "states_total": answer.total,
        "states_peak": answer.peak,
        "lp_bound": bound(answer.bound),
    }
    if answer.branches:
        stats["branches"] = answer.branches
    return CoreResult(
        status="optimal" if optimal else "feasible",
        choice=found.choice - offsets[:-1],
        objective=objective,
        bound=objective if optimal else bound(answer.open),
        multiplier=math.ldexp(answer.multiplier, scale),
        stats=stats,
    )
