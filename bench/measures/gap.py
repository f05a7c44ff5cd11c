"""Gap: how far an objective is above the proven optimum, or above the best bound."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from .answers import SolverRuns


def above_optimum(objective: float, optimum: float) -> float:
    """How far a choice is above the optimum, relative to the optimum."""
    if objective == optimum:
        return 0.0
    return (objective - optimum) / abs(optimum) if optimum else math.inf


def gap(answer: SolverRuns) -> float | None:
    """Mean over the runs of (objective - reference) / |reference|.

    The reference is the proven optimum, and the best bound of any solver where nothing is proven,
    so that the gap is then an upper estimate. None without a reference, or when a run found no
    choice. 0 is equality of the recomputed objectives; beyond 1e100 it is inf, as it is above a
    reference of 0. The gap that a back-end reports of its bound is another: see `relative_gap`.
    """
    reference = answer.reference.bound
    if reference is None:
        return None
    gaps = []
    for run in answer.runs:
        if run.objective is None:
            return None
        distance = above_optimum(run.objective, reference)
        gaps.append(distance if distance <= 1e100 else math.inf)
    return statistics.fmean(gaps)


def gaps(answers: Iterable[SolverRuns]) -> list[float]:
    """The gaps of those answers that have one."""
    return [value for value in map(gap, answers) if value is not None]


def is_optimum(answer: SolverRuns) -> bool:
    """Whether every run found the optimum, which some solver proved."""
    return answer.reference.proven and gap(answer) == 0.0
