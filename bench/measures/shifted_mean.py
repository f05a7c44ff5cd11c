"""Shifted geometric mean of times, which neither the longest nor the shortest times dominate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from .answers import SolverRuns

SHIFT = 1e-3
"""Seconds. The usual 10 s would hide everything between solvers that take milliseconds."""


def shifted_geometric_mean(values: Iterable[float], shift: float = SHIFT) -> float:
    """exp(mean(log(t + shift))) - shift.

    References:
        H. Mittelmann, Benchmarks for Optimization Software, plato.asu.edu/ftp/shgeom.html (with a
        shift of 10 s); T. Achterberg, Constraint Integer Programming, thesis, TU Berlin 2007.
    """
    return math.exp(statistics.fmean(math.log(value + shift) for value in values)) - shift


def counted_seconds(answer: SolverRuns) -> float:
    """Seconds of an answer; without a true proof (exact) or an answer, no less than the limit."""
    return _at_least_limit(answer, answer.seconds)


def mean_seconds(answers: Iterable[SolverRuns], shift: float = SHIFT) -> float | None:
    """Shifted geometric mean over the supported answers, failures at the time limit."""
    times = [counted_seconds(answer) for answer in answers if answer.supported]
    return shifted_geometric_mean(times, shift) if times else None


def mean_cpu_seconds(answers: Iterable[SolverRuns], shift: float = SHIFT) -> float | None:
    """The same of processor times; an answer without one counts at the time limit."""
    times = [_at_least_limit(a, a.cpu_seconds or 0.0) for a in answers if a.supported]
    return shifted_geometric_mean(times, shift) if times else None


def _at_least_limit(answer: SolverRuns, seconds: float) -> float:
    return seconds if answer.done else max(seconds, answer.first.time_limit or 0.0)
