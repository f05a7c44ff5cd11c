"""How a run of a benchmark ended."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """A `bitknap.solvers.Status`, or how the run failed."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"
    UNSUPPORTED = "unsupported"
    KILLED = "killed"
    MEMORY = "memory"
    CRASHED = "crashed"
    REFUTED = "refuted"


FAILURES = (RunStatus.KILLED, RunStatus.MEMORY, RunStatus.CRASHED, RunStatus.REFUTED)
"""Past its time limit and the grace; beyond its memory; died; made a claim found false."""
