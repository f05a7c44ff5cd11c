"""Gap: how far an objective is from the proven optimum, or from the best bound."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from bitknap.solvers import relative_gap

from .answers import SolverRuns


def gap(answer: SolverRuns) -> float | None:
    """Mean over the runs of (objective - reference) / |objective|.

    The reference is the proven optimum, and the best bound of any solver where nothing is proven,
    so that the gap is then an upper estimate. None without a reference, or when a run found no
    choice. 0 is equality of the recomputed objectives; beyond 1e100 it is inf, as it is of an
    objective of 0.

    References:
        G. Gamrath, T. Achterberg et al., SCIP, whose tables divide by |objective| likewise.
    """
    reference = answer.reference.bound
    if reference is None:
        return None
    gaps = []
    for run in answer.runs:
        if run.objective is None:
            return None
        distance = relative_gap(run.objective, reference)
        gaps.append(distance if distance <= 1e100 else math.inf)
    return statistics.fmean(gaps)


def gaps(answers: Iterable[SolverRuns]) -> list[float]:
    """The gaps of those answers that have one."""
    return [value for value in map(gap, answers) if value is not None]


def is_optimum(answer: SolverRuns) -> bool:
    """Whether every run found the optimum, which some solver proved."""
    return answer.reference.proven and gap(answer) == 0.0
