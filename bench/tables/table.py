"""A printed table: plain text cells, for the terminal, the page and CSV alike."""

from __future__ import annotations

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
