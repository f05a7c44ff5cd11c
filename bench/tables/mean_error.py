"""Means over seeds, with their standard error."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error ``s / sqrt(k)`` over k values; the error of one value is NaN."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def signed(values: Sequence[float], digits: int = 2) -> str:
    """Mean with its sign, and standard error, as text."""
    value, error = mean(values)
    text = f"{value:+.{digits}f}"
    return text if math.isnan(error) else f"{text} ± {error:.{digits}f}"
