"""Repeated solves on the method's own clock."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bitknap.problems import Instance
from bitknap.solvers import Solver, Status, solve


def median_seconds(instances: Sequence[Instance], solver: Solver, repeats: int) -> float:
    """Median over instances of the median seconds of repeated solves, all proven."""
    medians = []
    for instance in instances:
        answers = [solve(instance, solver) for _ in range(repeats)]
        assert all(a.status is Status.OPTIMAL for a in answers)
        medians.append(statistics.median(a.seconds for a in answers))
    return statistics.median(medians)
