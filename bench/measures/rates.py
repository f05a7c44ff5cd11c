"""Success rate and correct rate: the share of runs with a claim, and with a true claim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .answers import SolverRuns, is_claim, is_true


def success_rate(answers: Sequence[SolverRuns]) -> float | None:
    """Share of runs with a claim: a proof by an exact method, a feasible choice by a heuristic.

    Every instance that the solver supports counts alike, however many runs it has. None without
    any such instance.
    """
    shares = [
        statistics.fmean(is_claim(run) for run in answer.runs)
        for answer in answers
        if answer.supported
    ]
    return statistics.fmean(shares) if shares else None


def correct_rate(answers: Sequence[SolverRuns]) -> float | None:
    """Share of runs with a claim that is true, counted as in :func:`success_rate`.

    A claim of optimality is false when any run of any solver found a cheaper choice, one of
    infeasibility when any found a choice, and every claim that the referee refuted.

    References:
        S. Caron et al., qpbenchmark, https://github.com/qpsolvers/qpbenchmark, which tells the two
        rates apart.
    """
    shares = [
        statistics.fmean(is_claim(run) and is_true(run, answer.reference) for run in answer.runs)
        for answer in answers
        if answer.supported
    ]
    return statistics.fmean(shares) if shares else None
