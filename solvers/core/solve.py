"""``solve_core``: the exact solver of the multiple-choice knapsack."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import UnsupportedError

from . import jit, numpy_run
from .arrays import check, check_shapes
from .branching import solve_branching
from .result import CoreResult, Found, change
from .task import Infeasible, Task

__all__ = ["prefers_numba", "solve_core"]

# From how many items on, and after how many seconds spent with NumPy in this process, the numba
# kernel is worth loading (half a second), and compiling (half a minute).
_LOAD = 100_000, 2.0
_COMPILE = 2_000_000, 60.0
_spent = 0.0


def prefers_numba(items: int) -> bool:
    """Whether ``kernel="auto"`` solves an instance of that many items with numba."""
    if jit.loaded():
        return True
    if items < _LOAD[0] and _spent < _LOAD[1]:
        return False
    size, seconds = _LOAD if jit.compiled() else _COMPILE
    return items >= size or _spent >= seconds


def spent(seconds: float) -> None:
    """Note time spent with the NumPy kernel."""
    global _spent
    _spent += seconds


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
    for any finite costs, and ties are broken the same way on every run and by both kernels (which
    rounding might prevent, and never has in tests). The objective is the correctly rounded sum of
    the chosen costs.

    Args:
        offsets: class ``i`` owns items ``offsets[i]:offsets[i + 1]``, shape (L + 1,).
        cost: cost of each item, finite, any sign, shape (n,).
        weight: weight of each item, >= 0, shape (n,).
        capacity: largest total weight.
        kernel: ``"numpy"``, ``"numba"``, or ``"auto"``.
        time_limit: seconds after which to stop with the best choice and bound found.
        state_limit: number of states made after which to stop likewise.

    Returns:
        The choice with its proof or bound. Its ``stats``: ``kernel``; ``classes_fixed``, classes
        that the bounds leave at their break item from the start; ``items_left``, items of the
        others; ``core_size``, classes that entered the core; ``reduced``, items dropped during the
        search; ``states_total`` and ``states_peak``; ``lp_bound``; ``branches``, relaxations solved
        with a class fixed, where one was too large for the core; and from the NumPy kernel
        ``dominated`` and ``off_hull`` items (no better than another; above the line through two).

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
    began = time.perf_counter()
    deadline = None if time_limit is None else began + time_limit
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    cost = np.ascontiguousarray(cost, dtype=np.float64)
    weight = np.ascontiguousarray(weight, dtype=np.int64)
    check_shapes(offsets, cost, weight)
    task = Task(offsets, cost, weight, int(capacity), deadline, state_limit, may_branch=True)
    try:
        if kernel == "numba" or (kernel == "auto" and prefers_numba(cost.size)):
            found = solve_branching(jit.kernel().run, task)
            if found is not None:
                return _report(offsets, cost, task, found)
        arrays = check(offsets, cost, weight, capacity)
        task = task._replace(cost=arrays.cost, capacity=arrays.capacity, scale=arrays.scale)
        found = solve_branching(numpy_run.run, task)
    except Infeasible:
        return CoreResult("infeasible", None, math.inf, math.inf, 0.0, {})
    spent(time.perf_counter() - began)
    assert found is not None
    return _report(offsets, cost, task, found)


def _report(
    offsets: NDArray[np.int64], cost: NDArray[np.float64], task: Task, found: Found
) -> CoreResult:
    """Turn what a kernel found into objective and bound of the given costs."""
    item, base = found.item, found.base
    objective = found.objective
    if objective is None:
        objective = math.fsum(cost[item].tolist())
    # Bounds are relative to the break solution: so many more than the answer it costs.
    more, noise = found.change or change(task.cost, base, item)

    def bound_of(relative: float) -> float:
        noisy = noise + abs(relative)
        by = math.ldexp(relative - more - 2.0**-50 * noisy, -task.scale)
        return objective + by - 2.0**-50 * (abs(objective) + abs(by)) - 5e-324

    lp_bound = min(objective, bound_of(found.relaxed))
    bound = objective
    if found.open_bound is not None:
        bound = min(objective, max(lp_bound, bound_of(found.open_bound)))
    return CoreResult(
        status="optimal" if found.open_bound is None else "feasible",
        choice=item - offsets[:-1] if found.choice is None else found.choice,
        objective=objective,
        bound=bound,
        multiplier=math.ldexp(found.multiplier, -task.scale),
        stats={**found.stats, "lp_bound": lp_bound},
    )
