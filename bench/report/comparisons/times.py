"""Ratios of time, solver by solver and instance by instance."""

from __future__ import annotations

import math
import statistics

from ...figures.time_ratios import draw_ratios
from ...tables.table import Table, digits
from ..base import Content, Plot, Section
from ..pairs import Pair, paired
from ..source import Source

CAPTION = (
    "Time in B over time in A, of the same solver on the instance of the same name (medians where "
    "there are several runs), where it proved (exact) or answered (heuristic) in both. "
    "Left of the dashed line B is faster; bars and numbers are geometric means."
)


def build(a: Source, b: Source) -> Content | None:
    """One dot per instance; the table has every pair."""
    by_solver: dict[str, list[Pair]] = {}
    for pair in paired(a, b):
        if pair.done:
            by_solver.setdefault(pair.solver, []).append(pair)
    if not by_solver:
        return None
    ratios = {solver: [_ratio(p) for p in pairs] for solver, pairs in by_solver.items()}
    return Content(
        plots=[
            Plot(
                "time_ratios",
                CAPTION,
                draw_ratios(ratios, "time in B / time in A"),
                data=_pairs(by_solver),
            )
        ],
        tables={"time_summary": _summary(ratios), "time_pairs": _pairs(by_solver)},
    )


def _ratio(pair: Pair) -> float:
    return pair.second.seconds / pair.first.seconds


def _summary(ratios: dict[str, list[float]]) -> Table:
    return Table(
        "Time in B over time in A",
        ("solver", "instances", "geometric mean", "least", "largest"),
        [
            [
                solver,
                str(len(row)),
                digits(math.exp(statistics.fmean(map(math.log, row)))),
                digits(min(row)),
                digits(max(row)),
            ]
            for solver, row in ratios.items()
        ],
    )


def _pairs(by_solver: dict[str, list[Pair]]) -> Table:
    return Table(
        "Every pair",
        ("solver", "instance", "ms in A", "ms in B", "B / A"),
        [
            [
                solver,
                pair.instance,
                digits(1e3 * pair.first.seconds),
                digits(1e3 * pair.second.seconds),
                digits(_ratio(pair)),
            ]
            for solver, pairs in by_solver.items()
            for pair in pairs
        ],
        text_columns=2,
    )


SECTION = Section("Time", 10, "solves of the same solver and instance in both", build)
