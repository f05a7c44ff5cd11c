"""List the sensitivity metrics with what each costs."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the sensitivity metrics with what each costs.

    Example: bitknap metrics
    """
    from bitknap.sensitivity import METRICS

    found = {
        name: {
            "passes": (metric := METRICS.load(name)).passes,
            "scores": metric.has_scores,
            "summary": METRICS.summary(name),
        }
        for name in METRICS.names()
    }
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    from bitknap.bench.tables.table import Table
    from bitknap.bench.tables.terminal import print_table

    rows = [
        [name, facts["passes"], "yes" if facts["scores"] else "no", facts["summary"]]
        for name, facts in found.items()
    ]
    print_table(
        Table(
            "Sensitivity metrics",
            ("metric", "passes over the samples", "scores", "what it is"),
            rows,
            notes=(
                "L layers, B bit-widths, N samples. scores: per-sample values are kept, so that "
                "`bitknap confidence` can say how certain a plan is.",
            ),
            text_columns=4,
        )
    )
