"""The solvers' rates, gaps and times."""

from __future__ import annotations

from bitknap.bench.grids import objective_grid, solver_grid
from bitknap.bench.measures.summary import summary_grids
from bitknap.bench.report.base import Content, Section
from bitknap.bench.report.source import Source

NAMES = ("solvers", "groups", "growth")


def build(source: Source) -> Content | None:
    """Of a run, every solve; of a benchmark, the summary of its measures."""
    results = source.results
    if results is not None:
        return Content(grids={"solvers": solver_grid(results), "solves": objective_grid(results)})
    if not source.records:
        return None
    return Content(grids=dict(zip(NAMES, summary_grids(source.records), strict=False)))


SECTION = Section("Solvers", 50, "records of solves", build)
