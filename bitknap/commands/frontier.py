"""Compute the best objective at every budget, from one solve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitknap.boundary import MOST_INTEGER

from ._options import InstanceName, TimeLimit

if TYPE_CHECKING:
    from bitknap.problems import Instance
    from bitknap.solvers.frontier import Frontier


def command(
    instance: InstanceName,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="BUDGET", help="Show the best choice within it; repeatable."),
    ] = None,
    lowest: Annotated[str | None, typer.Option(metavar="BUDGET", help="Smallest budget.")] = None,
    highest: Annotated[str | None, typer.Option(metavar="BUDGET", help="Largest budget.")] = None,
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

    A budget is bits per weight, such as 2.5, or a size, such as 300kB or 2400000bits. Where an
    instance does not tell its numbers of weights, a whole number is in the unit of its resource.

    Exit code 0 with a frontier, 2 for bad input, 3 when no choice fits the largest budget or one
    of those shown, 4 when the time limit ended the work.

    Example: bitknap frontier fashion-resnet18/fisher_3 --at 2.5
    """
    from bitknap.problems.library import find_instance
    from bitknap.solvers.frontier import MAX_STATES, frontier, to_dict, write

    problem = find_instance(instance)
    budgets = {text: _usage(problem, "--at", text) for text in at or []}
    found = frontier(
        problem,
        lowest=None if lowest is None else _usage(problem, "--lowest", lowest),
        highest=None if highest is None else _usage(problem, "--highest", highest),
        max_states=max_states or MAX_STATES,
        tolerance=tolerance,
        time_limit=time_limit,
    )
    shown = [_allocation(found, text, usage) for text, usage in budgets.items()]
    try:
        if out is not None:
            write(found, out)
    finally:
        if as_json:
            knees = [int(found.usage[i]) for i in found.knees(3)]
            typer.echo(json.dumps(to_dict(found) | {"knees": knees, "at": shown}))
        else:
            _print(found, shown)


def _usage(instance: Instance, option: str, text: str) -> int:
    """What a budget allows of the instance's resource."""
    from bitknap.plans.budgets import parse_budget
    from bitknap.problems import DataError
    from bitknap.problems.average_bits import size_of_average, weight_counts

    resource, tells = instance.resources[0], weight_counts(instance) is not None
    if not tells and text.isdecimal() and int(text) < MOST_INTEGER:
        return int(text)
    if resource == "size_bits":
        budget = parse_budget(text)
        size = budget.size_bits
        if budget.average_bits is not None and budget.activation_bits is None:
            size = size_of_average(instance, budget.average_bits)
        if size is not None:
            return size
    expected = (
        "bits per weight such as 2.5, or a size such as 300kB"
        if tells
        else f"a whole number of {resource} below 2^62, since {instance.name!r} does not tell its "
        "numbers of weights"
    )
    raise DataError(f"{option} must be {expected}; got {text!r}")


def _allocation(found: Frontier, text: str, budget: int) -> dict[str, Any]:
    from bitknap.problems import InfeasibleError

    if budget < found.lowest:
        bits = _average(found, 0)
        raise InfeasibleError(
            f"--at {text} is infeasible: it allows {budget:,} {found.instance.resources[0]}, and "
            f"the frontier starts at {found.lowest:,}"
            + ("" if bits is None else f" ({bits:.4g} bits per weight)")
        )
    i = found.index(budget)
    return {
        "text": text,
        "budget": budget,
        "usage": int(found.usage[i]),
        "bits_per_weight": _average(found, i),
        "objective": float(found.objective[i]),
        "shadow_price": found.shadow_price(budget),
        "choice": found.instance.by_label(found.choice(i)),
    }


def _average(found: Frontier, i: int) -> float | None:
    from bitknap.problems.average_bits import average_bits

    return average_bits(found.instance, found.choice(i))


def _print(found: Frontier, shown: list[dict[str, Any]]) -> None:
    from bitknap.bench.tables.terminal import Terminal, print_rows, table

    console = Terminal()
    kind = "exact" if found.exact else f"within {found.tolerance:.3g} (too many states for all)"
    console.print(
        f"{found.instance.name}: {len(found):,} undominated points, {kind}; "
        f"{int(found.supported.sum()):,} on the convex hull; {found.states:,} states"
    )
    tells = _average(found, 0) is not None
    headings = ("", *(["bits per weight"] if tells else []), found.instance.resources[0])
    points = table(*headings, "objective", "shadow price", right=1)
    rows = [("lightest", 0), *(("knee", i) for i in found.knees(3)), ("cheapest", len(found) - 1)]
    for name, i in rows:
        usage, bits = int(found.usage[i]), _average(found, i)
        cells = (f"{usage:,}", f"{found.objective[i]:.6g}", f"{found.shadow_price(usage):.6g}")
        points.add_row(name, *([] if bits is None else [f"{bits:.3f}"]), *cells)
    console.print(points)
    for entry in shown:
        bits = entry["bits_per_weight"]
        console.print(
            f"within {entry['text']}: {'' if bits is None else f'{bits:.3f} bits per weight, '}"
            f"usage {entry['usage']:,}, objective {entry['objective']!r}"
        )
        print_rows(("class", "choice"), list(entry["choice"].items()))
