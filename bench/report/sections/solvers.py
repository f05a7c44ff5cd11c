"""The solvers' rates, gaps and times."""

from __future__ import annotations

from ...job.tables import objective_table, solver_table
from ...measures.contradictions import clashes
from ...measures.summary import summary_tables
from ..base import Content, Section
from ..source import Source

NAMES = ("solvers", "groups", "growth")


def build(source: Source) -> Content | None:
    """Of a run, every solve; of a benchmark, the summary of its measures."""
    results = source.results
    if results is not None:
        optima = f"{results.proved} of {len(results.instances)} optima proven and checked again"
        return Content(
            gist=optima,
            tables={"solvers": solver_table(results), "solves": objective_table(results)},
        )
    if not source.records:
        return None
    tables = summary_tables(source.answers, clashes(source.records))
    return Content(tables=dict(zip(NAMES, tables, strict=False)))


SECTION = Section("How it was solved", 50, "records of solves", build)
