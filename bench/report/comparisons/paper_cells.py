"""Accuracies of the paper's table that changed, paired by seed."""

from __future__ import annotations

from bitknap.problems import DataError

from ...tables.table import Table, signed
from ..base import Content, Section
from ..source import CELLS, Source

Key = tuple[str, str, str]
COLUMNS = ("Top-1", "fine-tuned")


def build(a: Source, b: Source) -> Content | None:
    """B minus A of every network, method and rate, before and after fine-tuning."""
    first, second = _cells(a), _cells(b)
    differences: dict[Key, dict[str, list[float]]] = {}
    for key in first:
        if key in second:
            network, method, rate, _, column = key
            row = differences.setdefault((network, method, rate), {})
            row.setdefault(column, []).append(100 * (second[key] - first[key]))
    if not differences:
        return None
    rows = [
        [*key, *(signed(row[column]) if column in row else "-" for column in COLUMNS)]
        for key, row in differences.items()
    ]
    table = Table(
        "Top-1 in B minus Top-1 in A, points",
        ("network", "method", "rate", *COLUMNS),
        rows,
        notes=("Mean over the seeds that both have, with the standard error of the mean.",),
        text_columns=3,
    )
    return Content(tables={"paper_cells": table})


def _cells(source: Source) -> dict[tuple[str, str, str, str, str], float]:
    try:
        return {
            (row["network"], row["method"], row["rate"], row["seed"], column): float(row[column])
            for row in source.cells
            for column in COLUMNS
            if row[column] != "-"
        }
    except (KeyError, ValueError) as error:
        raise DataError(f"{source.path / CELLS} is not a table of a study ({error})") from None


SECTION = Section("The paper's table", 50, "finished studies of `bitknap paper`", build)
