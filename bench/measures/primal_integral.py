"""Primal integral: how far a solver's choices are from the best while its time passes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

Curve = list[tuple[float, float]]
"""(seconds, primal gap) of each better choice, by time; before the first the gap is 1."""


def primal_gap(objective: float, best: float) -> float:
    """|objective - best| / max(|objective|, |best|): 0 when equal, 1 when the signs differ."""
    if objective == best:
        return 0.0
    if objective * best < 0:
        return 1.0
    return abs(objective - best) / max(abs(objective), abs(best))


def gap_curve(choices: Iterable[tuple[float, float]], best: float) -> Curve:
    """The curve of the choices of a solver, given as (seconds, objective).

    Args:
        best: the optimum, or the best objective known.
    """
    curve: Curve = []
    for seconds, objective in sorted(choices):
        gap = primal_gap(objective, best)
        if not curve or gap < curve[-1][1]:
            curve.append((seconds, gap))
    return curve


def primal_integral(curve: Curve, end: float) -> float:
    """The integral of the gap over the time from 0 to ``end``, in seconds.

    References:
        T. Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41
        (2013), 611-614.

    Example:
        >>> primal_integral([(1.0, 0.5), (2.0, 0.0)], 10.0)
        1.5
    """
    steps = [(0.0, 1.0), *((t, gap) for t, gap in curve if t < end), (end, 0.0)]
    return math.fsum(gap * (after - at) for (at, gap), (after, _) in pairwise(steps))
