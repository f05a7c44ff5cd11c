"""The referee of quadratic claims: recomputed from the instance alone, refused where false."""

from __future__ import annotations

import math

import numpy as np

from bitknap.problems import InstanceError, IntArray, MergedInstance, SolverError
from bitknap.problems.quadratic import QuadraticInstance

from ..base import Outcome, Solution, Status
from ..referee import at_most, require_capacity, require_choice_status, without_choice

PROVEN = 1e-9
"""A choice is optimal when nothing is better by more than this share of its terms' sum."""


def judge(
    problem: QuadraticInstance,
    merged: MergedInstance,
    outcome: Outcome,
    solver: str,
    seconds: float,
) -> Solution:
    """The solution that an outcome amounts to, on the instance with its ties.

    Checks that the choice exists and keeps capacities and ties, that objective and bound agree
    with the recomputed, correctly rounded objective, that an optimum's bound reaches it, and that
    no change of one class and no objective known refutes the claim.

    Raises:
        SolverError: the claim is false; the sentence says how.
    """
    claim, knapsack = f"{solver} on {problem.name!r}", problem.knapsack
    status, choice = outcome.status, outcome.choice
    if choice is None:
        return without_choice(claim, knapsack, outcome, solver, seconds)
    require_choice_status(claim, status)
    try:
        merged.instance.positions(choice)
    except InstanceError as error:
        raise SolverError(f"{claim}: {error}") from None
    full = merged.expand(np.array(choice, dtype=np.int64))
    usage = knapsack.usage(full)
    require_capacity(claim, knapsack, usage)
    if not knapsack.keeps_ties(full):
        raise SolverError(f"{claim}: the choice breaks a tie")
    objective = problem.objective(full)
    slack = PROVEN * math.fsum(map(abs, problem.terms(full)))
    if outcome.objective is not None and abs(outcome.objective - objective) > slack:
        raise SolverError(
            f"{claim}: claims the objective {outcome.objective!r}, recomputed {objective!r}"
        )
    bound = outcome.bound
    if bound is not None and bound > objective + slack:
        raise SolverError(f"{claim}: its bound {bound!r} is above its objective {objective!r}")
    if status is Status.OPTIMAL:
        if bound is None or bound < objective - slack:
            raise SolverError(
                f"{claim}: claims the optimum {objective!r}, but bounds it by {bound!r}"
            )
        _refute(claim, problem, full, objective, slack)
    full.flags.writeable = False
    return Solution(
        status=status,
        solver=solver,
        instance=knapsack,
        choice=full,
        objective=objective,
        bound=at_most(bound, objective),
        usage=usage,
        seconds=seconds,
        message=outcome.reason,
        stats=outcome.stats,
    )


def _refute(
    claim: str, problem: QuadraticInstance, choice: IntArray, objective: float, slack: float
) -> None:
    """Raise where something better than a claimed optimum is known, or one exchange away."""
    if problem.best is not None and problem.best < objective - slack:
        raise SolverError(f"{claim}: claims the optimum {objective!r}, {problem.best!r} is known")
    better = better_exchange(problem, choice, slack)
    if better is not None:
        name = problem.knapsack.class_names[int(np.flatnonzero(better != choice)[0])]
        raise SolverError(f"{claim}: claims an optimum that a change of class {name!r} improves")


def better_exchange(problem: QuadraticInstance, choice: IntArray, slack: float) -> IntArray | None:
    """A feasible choice that differs in one class and is better by more than a slack, or None."""
    knapsack = problem.knapsack
    at = knapsack.positions(choice)
    mine = at[knapsack.class_of]
    matrix = problem.matrix
    rows = matrix[:, at].sum(axis=1)
    # Without the products of the class that changes.
    slope = knapsack.cost + 0.5 * np.diag(matrix) + rows - matrix[np.arange(len(mine)), mine]
    fits = (knapsack.weight - knapsack.weight[:, mine]).T
    room = knapsack.capacity - knapsack.usage(choice)
    gain = np.where((fits <= room).all(axis=1), slope - slope[mine], np.inf)
    j = int(np.argmin(gain))
    if gain[j] >= -slack:
        return None
    other = choice.copy()
    other[knapsack.class_of[j]] = j - knapsack.offsets[knapsack.class_of[j]]
    if not knapsack.is_feasible(other) or problem.objective(other) >= problem.objective(choice):
        return None
    return other
