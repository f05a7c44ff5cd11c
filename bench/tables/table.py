"""A printed table: plain text cells, for the terminal, the page and CSV alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bitknap.problems.names import to_csv


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        columns: headings; the first ``text_columns`` are text, the others numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    text_columns: int = 1

    def to_csv(self) -> str:
        """The rows as CSV with a heading line."""
        return to_csv(self.columns, self.rows)


def digits(value: float, count: int = 3) -> str:
    """A number to so many significant digits; powers of ten only below 1e-4 and from 1e6 on."""
    return f"{float(f'{value:.{count}g}'):g}"


def percent(ratio: float | None) -> str:
    """A ratio in per cent; a dash where there is none."""
    if ratio is None:
        return "-"
    return "0" if ratio == 0 else f"{digits(100 * ratio)} %"


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error ``s / sqrt(k)`` over k values; the error of one value is NaN."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def signed(values: Sequence[float], digits: int = 2) -> str:
    """Mean with its sign, and standard error, as text."""
    value, error = mean(values)
    text = f"{value:+.{digits}f}"
    return text if math.isnan(error) else f"{text} ± {error:.{digits}f}"
