"""``solve``: the one entry point of every solver."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

from bitknap.problems import Catalogue, Instance, UnsupportedError, merge_ties

from .base import Limits, Solution, Solver, Status
from .core import missing
from .referee import infeasibility, judge

SOLVERS = Catalogue("bitknap.solvers.methods", "SOLVER", "solver", group="bitknap.solvers")
"""All methods: one file each in ``solvers/methods``, and those of other packages."""


def default_solver(instance: Instance) -> str:
    """Ours: ``multi`` for several resources, else ``core``, or ``dp`` without its kernel."""
    if instance.n_resources > 1:
        return "multi"
    return "dp" if missing() else "core"


def load_solver(name: str) -> Solver:
    """The registered solver of that name.

    Raises:
        UnsupportedError: unknown name, or a package it requires is not installed.
    """
    solver: Solver = load_installed(SOLVERS, name)
    return solver


def load_installed(catalogue: Catalogue, name: str) -> Any:
    """The method of that name, all packages that it requires being installed."""
    solver = catalogue.load(name)
    missing = [p for p in solver.requires if importlib.util.find_spec(p) is None]
    if missing:
        raise UnsupportedError(
            f"the solver {name!r} needs the package {missing[0]!r}; pip install {missing[0]}"
        )
    return solver


def solve(
    instance: Instance,
    solver: str | Solver | None = None,
    time_limit: float | None = None,
    *,
    limits: Limits | None = None,
) -> Solution:
    """Solve an instance and have the referee recompute the answer.

    Tied classes are merged before the method sees the instance, and only the method is timed:
    not the import of what it needs (its ``warm_up``, where it has one).
    Infeasible and limits reached are statuses, not exceptions.

    Args:
        solver: name of a registered method, or a solver object; by default ours, see
            :func:`default_solver`.
        time_limit: seconds, short for ``limits=Limits(time=...)``.

    Returns:
        The recomputed solution.

    Raises:
        UnsupportedError: the name is unknown or its package is missing.
        SolverError: the method made a claim that the referee refuted.
        InstanceError: tied classes share no label.

    Example:
        >>> from bitknap.problems import build_instance
        >>> solve(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)).objective
        4.0
    """
    solver = solver or default_solver(instance)
    method = load_solver(solver) if isinstance(solver, str) else solver
    name = solver if isinstance(solver, str) else type(solver).__name__.lower()
    limits = limits or Limits(time=time_limit)
    merged = merge_ties(instance)
    reason = infeasibility(merged.instance)
    if reason is not None:
        return Solution(Status.INFEASIBLE, name, instance, message=reason)
    reason = method.supports(merged.instance)
    if reason is not None:
        message = f"{name}: {reason}; {_other(merged.instance, name)}"
        return Solution(Status.UNSUPPORTED, name, instance, message=message)
    getattr(method, "warm_up", lambda _: None)(merged.instance)
    start = time.perf_counter()
    outcome = method.solve(merged.instance, limits)
    seconds = time.perf_counter() - start
    return judge(merged, instance, outcome, name, seconds)


def _other(instance: Instance, name: str) -> str:
    """What to do when a method does not support an instance."""
    other = default_solver(instance)
    if other != name and load_solver(other).supports(instance) is None:
        return f"the solver {other} can"
    return "choose another solver"
