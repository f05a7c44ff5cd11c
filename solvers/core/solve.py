"""``solve_core``: the exact solver of the multiple-choice knapsack."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np

from bitknap.problems import FloatArray, InstanceError, IntArray, build_instance

from ..base import Limits, Outcome, Status
from .library import INFEASIBLE, MALFORMED, OPTIMAL, SCALE, WIDE, run

NO_LIMITS = Limits()
_NEVER = 1 << 62
_FAULTS = (
    "",
    "every class needs at least one item",
    "weights must not be negative",
    "costs must be finite, got an infinity or NaN",
    "the weights add up to 2^62 or more, beyond 64-bit integers; use a coarser unit",
)


def solve_core(
    offsets: IntArray, cost: FloatArray, weight: IntArray, capacity: int, limits: Limits = NO_LIMITS
) -> Outcome:
    """Minimise cost, one item a class, total weight at most the capacity: exactly.

        min sum_i c[i, j_i]   s.t.   sum_i w[i, j_i] <= capacity

    The costs are taken as the rational numbers that the floats are, and an OPTIMAL choice is an
    exact optimum, for any finite costs; ties are broken the same way on every run. Where the costs
    that may be part of a better choice than the first one found have more than about 120 bits,
    branch and bound in Python's integers solves the instance instead.

    Args:
        offsets: class ``i`` owns items ``offsets[i]:offsets[i + 1]``, shape (L + 1,).
        cost: cost of each item, finite, any sign, shape (n,).
        weight: weight of each item, >= 0, shape (n,); the heaviest items of all classes together
            weigh less than 2**62.
        capacity: largest total weight.
        limits: seconds and number of states after which to stop with what was found.

    Returns:
        The choice with its proof or bound; its ``multiplier`` is that of the linear relaxation.
        ``stats``: ``classes_fixed`` and ``items_left`` by the bounds at the start; ``core_size``,
        classes that entered the core; ``states_total`` and ``states_peak``; ``lp_bound``;
        ``branches``, nodes with a class fixed; ``method`` and ``reason`` where another one solved.

    Raises:
        InstanceError: the arrays are not an instance, or weights overflow.
        UnsupportedError: the native kernel was not built.
        MemoryError: the states do not fit into memory.

    References:
        D. Pisinger, EJOR 83 (1995) 394-410, doi:10.1016/0377-2217(95)00015-I; docs/core.md.

    Example:
        >>> r = solve_core(np.array([0, 2, 4]), np.array([3.0, 1, 5, 1]), np.array([1, 2, 1, 3]), 4)
        >>> str(r.status), r.objective, r.choice.tolist()
        ('optimal', 4.0, [0, 1])
    """
    offsets, cost, weight = _arrays(offsets, cost, weight)
    capacity = max(-1, min(int(capacity), _NEVER))
    seconds = math.inf if limits.time is None else limits.time
    states = _NEVER if limits.states is None else limits.states
    code, choice, answer = run(offsets, cost, weight, capacity, seconds, states)
    wide, scale = "the costs that matter span more than 120 bits", 0
    if code == SCALE:
        # A power of two brings the largest cost near 1.
        scale = math.frexp(float(np.abs(cost).max()))[1]
        scaled = np.ldexp(cost, -scale)
        if np.array_equal(np.ldexp(scaled, scale), cost):
            code, choice, answer = run(offsets, scaled, weight, capacity, seconds, states)
        else:
            wide = "the costs span more than 570 orders of magnitude"
    if code == MALFORMED:
        raise InstanceError(_FAULTS[answer.fault])
    if code == INFEASIBLE:
        return Outcome(Status.INFEASIBLE)
    if code in (WIDE, SCALE):
        return _in_integers(offsets, cost, weight, capacity, limits, wide)
    return _outcome(code, choice, answer, offsets, cost, scale)


def _arrays(
    offsets: IntArray, cost: FloatArray, weight: IntArray
) -> tuple[IntArray, FloatArray, IntArray]:
    """The arrays as the kernel reads them, of shapes that fit together."""
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    cost = np.ascontiguousarray(cost, dtype=np.float64)
    weight = np.ascontiguousarray(weight, dtype=np.int64)
    n = cost.size
    if cost.ndim != 1 or weight.shape != cost.shape:
        raise InstanceError(
            f"costs and weights must be two vectors of one length, got {cost.shape}, {weight.shape}"
        )
    if offsets.ndim != 1 or offsets.size < 2 or offsets[0] != 0 or offsets[-1] != n:
        raise InstanceError(f"offsets must run from 0 to the number of items {n}, with a class")
    return offsets, cost, weight


def _outcome(
    code: int, choice: IntArray, answer: Any, offsets: IntArray, cost: FloatArray, scale: int
) -> Outcome:
    """The kernel's answer in the given costs, of which it saw ``cost / 2**scale``."""
    objective = math.fsum(cost[choice].tolist())
    below = math.ldexp(answer.bound, scale)
    bound = objective - below - 2.0**-50 * (abs(objective) + abs(below)) - 5e-324
    stats: dict[str, Any] = {
        "classes_fixed": choice.size - answer.classes,
        "items_left": answer.items,
        "core_size": answer.core,
        "states_total": answer.total,
        "states_peak": answer.peak,
        "lp_bound": bound,
    }
    if answer.branches:
        stats["branches"] = answer.branches
    return Outcome(
        Status.OPTIMAL if code == OPTIMAL else Status.FEASIBLE,
        choice - offsets[:-1],
        objective if code == OPTIMAL else bound,
        objective,
        np.array([math.ldexp(answer.multiplier, scale)]),
        stats,
    )


def _in_integers(
    offsets: IntArray, cost: FloatArray, weight: IntArray, capacity: int, limits: Limits, why: str
) -> Outcome:
    """Solve by branch and bound on Python's integers, which have no width."""
    from ..methods.branch_bound import BranchAndBound

    pairs = list(zip(cost.tolist(), weight.tolist(), strict=True))
    classes = [pairs[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    instance = build_instance(classes, capacity)
    outcome = BranchAndBound().solve(instance, limits)
    assert outcome.choice is not None
    objective = instance.objective(outcome.choice)
    proven = outcome.status is Status.OPTIMAL or outcome.bound is None
    bound = objective if proven else min(objective, float(outcome.bound or 0.0))
    stats = {**outcome.stats, "method": "branch_bound", "reason": why, "lp_bound": bound}
    return replace(outcome, bound=bound, objective=objective, multiplier=np.zeros(1), stats=stats)
