"""``solve_core``: the exact solver of the multiple-choice knapsack."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import UnsupportedError

from .arrays import Arrays, check
from .core_problem import CoreProblem, Incumbent, allowance, build_core
from .reach import SearchOutcome, reach
from .relaxation import Relaxation, relax
from .result import CoreResult

__all__ = ["solve_core"]


def solve_core(
    offsets: NDArray[np.int64],
    cost: NDArray[np.float64],
    weight: NDArray[np.int64],
    capacity: int,
    *,
    kernel: str = "auto",
    time_limit: float | None = None,
    state_limit: int | None = None,
) -> CoreResult:
    """Minimise cost, one item a class, total weight at most the capacity: exactly.

        min sum_i c[i, j_i]   s.t.   sum_i w[i, j_i] <= capacity

    The linear relaxation gives a break solution; classes then enter a core around it one by one
    and dynamic programming by reaching enumerates, undominated and fathomed by linear bounds, how
    they may deviate from it (Pisinger 1995).

    What is guaranteed: the costs are taken as the rational numbers that the floats are. Sums and
    comparisons of costs are exact (:mod:`.fixed_point`); floats occur in bounds only, rounded to
    the side that keeps a state. So an ``"optimal"`` choice is an exact optimum of the instance,
    for any finite costs, and ties are broken the same way on every run and by both kernels. The
    objective is the correctly rounded sum of the chosen costs.

    Args:
        offsets: class ``i`` owns items ``offsets[i]:offsets[i + 1]``, shape (L + 1,).
        cost: cost of each item, finite, any sign, shape (n,).
        weight: weight of each item, >= 0, shape (n,).
        capacity: largest total weight.
        kernel: ``"numpy"``, ``"numba"``, or ``"auto"``.
        time_limit: seconds after which to stop with the best choice and bound found.
        state_limit: number of states made after which to stop likewise.

    Returns:
        The choice with its proof or bound. Its ``stats`` count: ``dominated`` and ``off_hull``
        items (above another; above the line through two others), ``core_size`` classes that
        entered, ``classes_entered`` of them with a choice left, ``reduced`` items dropped by
        their bound, ``states_total`` and ``states_peak``, ``lp_bound``, ``kernel``.

    Raises:
        InstanceError: the arrays are not an instance, or weights overflow.

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
    if kernel not in ("auto", "numpy", "numba"):
        raise UnsupportedError(f"the core kernels are auto, numpy and numba, got {kernel!r}")
    deadline = None if time_limit is None else time.perf_counter() + time_limit
    arrays = check(offsets, cost, weight, capacity)
    if not arrays.fits:
        return CoreResult("infeasible", None, math.inf, math.inf, 0.0, {"kernel": "numpy"})
    relaxation = relax(arrays.offsets, arrays.cost, arrays.weight, arrays.capacity)
    core = build_core(relaxation, arrays.cost, arrays.weight)
    outcome = reach(core, deadline, state_limit)
    return _report(arrays, relaxation, core, outcome)


def _report(
    arrays: Arrays, relaxation: Relaxation, core: CoreProblem, outcome: SearchOutcome
) -> CoreResult:
    """Turn the outcome of a search into choice, objective and bound of the given costs."""
    item = relaxation.item[_apply(relaxation.base, outcome.incumbent)]
    objective = math.fsum(np.ldexp(arrays.cost[item], -arrays.scale).tolist())
    base = math.fsum(arrays.cost[relaxation.item[relaxation.base]].tolist())
    up, down = core.first
    lp_bound = _below(base, -up * relaxation.room - allowance(up, down, core.reach), arrays.scale)
    bound = objective
    if not outcome.finished:
        bound = min(objective, max(lp_bound, _below(base, outcome.open_bound, arrays.scale)))
    return CoreResult(
        status="optimal" if outcome.finished else "feasible",
        choice=item - arrays.offsets[:-1],
        objective=objective,
        bound=bound,
        multiplier=math.ldexp(relaxation.multiplier, -arrays.scale),
        stats={
            "kernel": "numpy",
            "dominated": arrays.cost.size - relaxation.item.size,
            "off_hull": relaxation.item.size - relaxation.hull_size,
            "lp_bound": lp_bound,
            **outcome.stats,
        },
    )


def _apply(base: NDArray[np.int64], incumbent: Incumbent) -> NDArray[np.int64]:
    chosen = base.copy()
    for cls, position in incumbent.moves:
        chosen[cls] = position
    return chosen


def _below(base: float, bound: float, scale: int) -> float:
    """``base + bound`` in given costs, rounded down by more than the rounding of the terms."""
    total = base + bound
    total -= 2.0**-50 * (abs(base) + abs(bound)) + 2.0**-1060
    return math.ldexp(total, -scale)
