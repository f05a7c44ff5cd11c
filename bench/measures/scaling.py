"""Scaling: the exponent with which time grows with size, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .answers import SolverRuns


@dataclass(frozen=True)
class Fit:
    """t = factor * n^exponent, fitted to points (n, t).

    Args:
        exponent: slope of log t on log n.
        low: end of its 95 % interval; nan with two points.
        factor: seconds at n = 1.
        determination: R^2 of the fit in logarithms.
        missing: answers of the solver without a proof, which the fit leaves out.
    """

    exponent: float
    low: float
    high: float
    factor: float
    determination: float
    points: int
    missing: int = 0

    def seconds(self, size: float) -> float:
        """The fitted time at a size."""
        return float(self.factor * size**self.exponent)


def fit_power(sizes: Sequence[float], seconds: Sequence[float], missing: int = 0) -> Fit | None:
    """Least squares of log t = log a + b log n; None with fewer than two different sizes.

    The interval is b +- t_{0.975, p - 2} s_b for p points with independent normal errors of equal
    variance in the logarithms, which several seeds per size make plausible and nothing proves.

    References:
        C. McGeoch, A Guide to Experimental Algorithmics, Cambridge 2012, chapter 7; N. Draper,
        H. Smith, Applied Regression Analysis, Wiley 1998, chapter 1.
    """
    from scipy.special import stdtrit

    if len(set(sizes)) < 2:
        return None
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(seconds, dtype=float))
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    level = float(y.mean() - slope * x.mean())
    residual = float(((y - level - slope * x) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    free = len(x) - 2
    half = math.nan
    if free > 0:
        half = float(stdtrit(free, 0.975)) * math.sqrt(residual / free / spread)
    return Fit(
        exponent=slope,
        low=slope - half,
        high=slope + half,
        factor=math.exp(level),
        determination=1.0 - residual / total if total else 1.0,
        points=len(x),
        missing=missing,
    )


def scaling(answers: Sequence[SolverRuns], solver: str) -> Fit | None:
    """Growth of a solver's median time with the number of classes.

    An exact method's answers count where they are proven, a heuristic's where it has a choice.
    The others are left out, so the exponent of a solver that fails on the large instances is
    flattered; ``missing`` counts them.
    """
    answered = [answer for answer in answers if answer.first.solver == solver and answer.supported]
    good = [answer for answer in answered if answer.done]
    points = [(a.first.classes, a.seconds) for a in good]
    return fit_power(
        [size for size, _ in points],
        [time for _, time in points],
        missing=len(answered) - len(good),
    )
