"""Prove a solution optimal, independently of all solvers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.cli import EXIT_FAILED

from ._options import InstanceName, TimeLimit

if TYPE_CHECKING:
    from bitknap.solvers.verify import Verdict


def command(
    instance: InstanceName,
    solution: Annotated[Path, typer.Argument(help="Solution file of `bitknap solve --out`.")],
    max_states: Annotated[
        int | None, typer.Option(min=1, help="Partial choices to keep before giving up.")
    ] = None,
    time_limit: TimeLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove a solution optimal, independently of all solvers.

    Exit code 0 when every claim of the solution is proven, 1 when one is wrong or could not be
    proven, 2 for bad input.

    Example: bitknap verify limited.json solution.json
    """
    from bitknap.problems import DataError
    from bitknap.problems.library import find_instance, find_quadratic
    from bitknap.solvers.quadratic import verify_quadratic
    from bitknap.solvers.quadratic.verify import MAX_CHOICES
    from bitknap.solvers.verify import MAX_STATES, load_solution, verify

    quadratic = find_quadratic(instance)
    problem = find_instance(instance) if quadratic is None else quadratic.knapsack
    document = load_solution(solution)
    try:
        if quadratic is None:
            verdict = verify(
                problem, document, max_states=max_states or MAX_STATES, time_limit=time_limit
            )
        else:
            verdict = verify_quadratic(
                quadratic,
                document,
                max_choices=max_states or MAX_CHOICES,
                time_limit=time_limit,
            )
    except DataError as error:
        raise DataError(f"{solution}: {error}") from None
    if as_json:
        typer.echo(json.dumps(verdict.to_dict(), indent=1))
    else:
        _print(verdict)
    if not verdict.proved:
        raise typer.Exit(EXIT_FAILED)


def _print(verdict: Verdict) -> None:
    from bitknap.bench.tables.terminal import Terminal

    console = Terminal()
    colour = {"proved": "green", "unproved": "yellow", "wrong": "red"}[verdict.finding.value]
    console.print(verdict.finding.value, style=f"bold {colour}", end=" ")
    console.print(f"(the solution claims {verdict.claim})")
    for reason in verdict.reasons:
        console.print(f"- {reason}")
    if verdict.better is not None:
        labels = ", ".join(f"{name}: {label}" for name, label in verdict.better.items())
        console.print(f"Better choice: {labels}")
