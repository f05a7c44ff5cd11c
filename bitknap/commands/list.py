"""List the solvers, metrics and workloads that are installed."""

from __future__ import annotations

import json
from typing import Annotated

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
        shown = table(kind[:-1], "what it is")
        for name, summary in entries.items():
            shown.add_row(name, summary)
        console.print(shown)
