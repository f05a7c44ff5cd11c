"""Find the exact plan of a sensitivity table within a budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._options import metric_of
from ._policy import Allow, Exclude, Pin, Tied, layer_policy


def command(
    table: Annotated[Path, typer.Argument(help="Sensitivity table (.npz).")],
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            "--size",
            help="Average bits per weight, a size such as 300kB, a rate such as 10.7x, or w3a6.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Plan file (.json) to write.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="A metric of the table; default its first.")
    ] = None,
    pin: Pin = None,
    exclude: Exclude = None,
    allow: Allow = None,
    tie: Tied = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan file.")] = False,
) -> None:
    """Find the exact plan of a sensitivity table within a budget.

    Takes milliseconds: no network is loaded. `apply`, `evaluate` and `export` take the plan.

    Example: bitknap plan table.npz --budget 3 --out plan.json
    """
    from bitknap.bench.tables.terminal import note, say
    from bitknap.plans.budgets import parse_budget
    from bitknap.plans.optimum import optimal_plan
    from bitknap.sensitivity import load_table

    limit = parse_budget(budget)
    loaded = layer_policy(pin, exclude, allow, tie).apply(load_table(table))
    chosen = metric_of(loaded, metric)
    plan = optimal_plan(loaded, limit.limits(loaded), chosen, limit.text)
    try:
        if out is not None:
            plan.save(out)
            note(f"wrote {out}")
    finally:
        if as_json:
            typer.echo(json.dumps(plan.document(), indent=1))
        else:
            say(repr(plan))
