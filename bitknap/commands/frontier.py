"""Compute the best objective at every budget, from one solve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import InstanceName, TimeLimit

if TYPE_CHECKING:
    from bitknap.solvers.frontier import Frontier


def command(
    instance: InstanceName,
    at: Annotated[
        list[int] | None, typer.Option(help="Show the best choice within this budget; repeatable.")
    ] = None,
    lowest: Annotated[int | None, typer.Option(min=0, help="Smallest budget.")] = None,
    highest: Annotated[int | None, typer.Option(min=0, help="Largest budget.")] = None,
    max_states: Annotated[
        int | None, typer.Option(min=1, help="States to keep; beyond, lists are trimmed.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Relative tolerance; 0 asks for the exact frontier.")
    ] = 0.0,
    time_limit: TimeLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write to a .json, .csv, .png, .svg or .pdf file.")
    ] = None,
) -> None:
    """Compute the best objective at every budget, from one solve.

    Exit code 0 with a frontier, 2 for bad input, 3 when no choice fits the largest budget or one
    of those shown, 4 when the time limit ended the work.

    Example: bitknap frontier resnet18/fisher_3
    """
    from bitknap.problems.library import find_instance
    from bitknap.solvers.frontier import MAX_STATES, frontier, to_dict, write

    found = frontier(
        find_instance(instance),
        lowest=lowest,
        highest=highest,
        max_states=max_states or MAX_STATES,
        tolerance=tolerance,
        time_limit=time_limit,
    )
    shown = [_allocation(found, budget) for budget in at or []]
    try:
        if out is not None:
            write(found, out)
    finally:
        if as_json:
            knees = [int(found.usage[i]) for i in found.knees(3)]
            typer.echo(json.dumps(to_dict(found) | {"knees": knees, "at": shown}))
        else:
            _print(found, shown)


def _allocation(found: Frontier, budget: int) -> dict[str, Any]:
    i = found.index(budget)
    return {
        "budget": budget,
        "usage": int(found.usage[i]),
        "objective": float(found.objective[i]),
        "shadow_price": found.shadow_price(budget),
        "choice": found.instance.by_label(found.choice(i)),
    }


def _print(found: Frontier, shown: list[dict[str, Any]]) -> None:
    from bitknap.bench.tables.terminal import Terminal, print_rows, table

    console = Terminal()
    kind = "exact" if found.exact else f"within {found.tolerance:.3g} (too many states for all)"
    console.print(
        f"{found.instance.name}: {len(found):,} undominated points, {kind}; "
        f"{int(found.supported.sum()):,} on the convex hull; {found.states:,} states"
    )
    points = table("", found.instance.resources[0], "objective", "shadow price", right=1)
    rows = [("lightest", 0), *(("knee", i) for i in found.knees(3)), ("cheapest", len(found) - 1)]
    for name, i in rows:
        usage = int(found.usage[i])
        points.add_row(
            name, f"{usage:,}", f"{found.objective[i]:.6g}", f"{found.shadow_price(usage):.6g}"
        )
    console.print(points)
    for entry in shown:
        console.print(
            f"within {entry['budget']:,}: usage {entry['usage']:,}, "
            f"objective {entry['objective']!r}"
        )
        print_rows(("class", "choice"), list(entry["choice"].items()))
