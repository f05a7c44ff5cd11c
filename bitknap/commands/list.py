"""List the solvers, metrics and workloads that are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Annotated, Any

import typer


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the solvers, metrics and workloads that are installed.

    Example: bitknap list
    """
    from bitknap.bench import WORKLOADS
    from bitknap.sensitivity import METRICS
    from bitknap.solvers import SOLVERS
    from bitknap.solvers.quadratic import QUADRATIC

    found = {
        kind: {name: catalogue.summary(name) for name in catalogue.names()}
        for kind, catalogue in (
            ("solvers", SOLVERS),
            ("quadratic solvers", QUADRATIC),
            ("metrics", METRICS),
            ("workloads", WORKLOADS),
        )
    }
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    from bitknap.bench.tables.terminal import Terminal, table

    console = Terminal()
    for kind, entries in found.items():
        solvers = {"solvers": SOLVERS, "quadratic solvers": QUADRATIC}.get(kind)
        columns = () if solvers is None else ("kind", "needs")
        shown = table(kind[:-1], *columns, "what it is")
        for name, summary in entries.items():
            shown.add_row(name, *(_facts(solvers.load(name)) if solvers else ()), summary)
        console.print(shown)


def _facts(solver: Any) -> tuple[str, str]:
    """Kind of a solver, and the packages that it needs, with those that are not installed."""
    needs = [
        package if find_spec(package) else f"{package} (not installed)"
        for package in solver.requires
    ]
    return "exact" if solver.exact else "heuristic", ", ".join(needs)
