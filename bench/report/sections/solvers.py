"""The solvers on the run's instances."""

from __future__ import annotations

from bitknap.bench.grids import objective_grid, solver_grid
from bitknap.bench.report.base import Content, Section
from bitknap.bench.report.source import Source


def build(source: Source) -> Content | None:
    """Proofs, gaps and times, and every solve."""
    results = source.results
    if results is None:
        return None
    return Content(grids={"solvers": solver_grid(results), "solves": objective_grid(results)})


SECTION = Section("Solvers on these instances", 50, "solutions (`bitknap run`)", build)
