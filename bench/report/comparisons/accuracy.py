"""Differences of measured accuracy, plan by plan."""

from __future__ import annotations

import math
import statistics

from bitknap.plans.repair.base import NONE

from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Section
from ..source import Source

Key = tuple[str, str, str]


def build(a: Source, b: Source) -> Content | None:
    """B minus A in percentage points, with the standard error of the difference."""
    if a.results is None or b.results is None:
        return None
    first, second = _accuracies(a.results), _accuracies(b.results)
    common = [key for key in first if key in second]
    rows = []
    for key in common:
        (before, error), (after, other) = first[key], second[key]
        spread = 100 * math.hypot(error, other)
        rows.append(
            [
                *key,
                f"{100 * before:.2f}",
                f"{100 * after:.2f}",
                f"{100 * (after - before):+.2f}",
                f"{spread:.2f}",
            ]
        )
    if not rows:
        return None
    table = Table(
        "Measured accuracy, %",
        ("plan", "solver", "budget", "A", "B", "B - A", "standard error"),
        rows,
        notes=(
            "The standard error is that of two independent test sets; on the same test samples it "
            "is an upper estimate. random: mean of the draws.",
        ),
        text_columns=3,
    )
    return Content(tables={"accuracy": table})


def _accuracies(results: Results) -> dict[Key, tuple[float, float]]:
    """Accuracy and its standard error by plan, solver and budget; draws are averaged."""
    found: dict[Key, list[tuple[float, float]]] = {}
    for m in results.measured:
        value = m.accuracy.value, m.accuracy.standard_error
        plan = m.plan if m.repair == NONE else f"{m.plan}, repaired"
        found.setdefault((plan, m.solver or "-", m.budget or "-"), []).append(value)
    return {
        key: (
            statistics.fmean(value for value, _ in group),
            math.hypot(*(error for _, error in group)) / len(group),
        )
        for key, group in found.items()
    }


SECTION = Section("Accuracy", 30, "measured accuracies of the same plans in both", build)
