"""``solve_quadratic``: the one entry point of the methods for quadratic objectives."""

from __future__ import annotations

import time
from typing import ClassVar, Protocol

from bitknap.problems import Catalogue
from bitknap.problems.quadratic import QuadraticInstance, merge_quadratic

from ..base import Limits, Outcome, Solution, Status
from ..referee import infeasibility
from ..registry import load_installed
from .referee import judge

QUADRATIC = Catalogue("bitknap.solvers.quadratic", "SOLVER", "quadratic solver")
"""All methods: the files of ``solvers/quadratic`` that define a ``SOLVER``."""

DEFAULT = "quadratic_branch_bound"


class QuadraticSolver(Protocol):
    """A method: a frozen dataclass whose fields are its parameters; its file's stem is its name."""

    exact: ClassVar[bool]
    """Whether it proves optimality when no limit stops it."""
    requires: ClassVar[tuple[str, ...]]
    """Importable packages it needs."""

    def supports(self, problem: QuadraticInstance) -> str | None:
        """Why the method cannot handle an instance, or None when it can."""
        ...

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        """Solve an instance without ties whose every capacity admits the lightest choice."""
        ...


def load_quadratic_solver(name: str) -> QuadraticSolver:
    """The registered method of that name.

    Raises:
        UnsupportedError: unknown name, or a package it requires is not installed.
    """
    solver: QuadraticSolver = load_installed(QUADRATIC, name)
    return solver


def solve_quadratic(
    problem: QuadraticInstance,
    solver: str | QuadraticSolver | None = None,
    time_limit: float | None = None,
    *,
    limits: Limits | None = None,
) -> Solution:
    """Solve a quadratic instance and have the referee recompute the answer.

    Tied classes are merged before the method sees the instance, and only the method is timed.
    ``OPTIMAL`` means that no choice is better by more than 1e-9 of what the terms of the choice
    sum up to in absolute values; ``bound`` is never above the optimum.

    Args:
        time_limit: seconds, short for ``limits=Limits(time=...)``.
        limits: time, nodes or steps (``states``), and threads.

    Returns:
        The recomputed solution; its ``instance`` is the knapsack of the problem.

    Raises:
        UnsupportedError: the name is unknown or its package is missing.
        SolverError: the method made a claim that the referee refuted.
        InstanceError: tied classes share no label.

    Example:
        >>> import numpy as np
        >>> from bitknap.problems import build_instance
        >>> knapsack = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
        >>> G = np.zeros((4, 4)); G[0, 3] = G[3, 0] = 7.0
        >>> solve_quadratic(QuadraticInstance(knapsack, G)).objective
        6.0
    """
    solver = solver or DEFAULT
    method = load_quadratic_solver(solver) if isinstance(solver, str) else solver
    name = solver if isinstance(solver, str) else type(solver).__name__.lower()
    limits = limits or Limits(time=time_limit)
    small, merged = merge_quadratic(problem)
    reason = infeasibility(small.knapsack)
    if reason is not None:
        return Solution(Status.INFEASIBLE, name, problem.knapsack, message=reason)
    reason = method.supports(small)
    if reason is not None:
        message = f"{name}: {reason}; choose another solver"
        return Solution(Status.UNSUPPORTED, name, problem.knapsack, message=message)
    getattr(method, "warm_up", lambda _: None)(small)
    start = time.perf_counter()
    outcome = method.solve(small, limits)
    seconds = time.perf_counter() - start
    return judge(problem, merged, outcome, name, seconds)
