"""Solve an instance file and print the allocation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.cli import EXIT_BAD_INPUT, EXIT_INFEASIBLE, EXIT_NO_SOLUTION

from ._options import InstanceName

if TYPE_CHECKING:
    from bitknap.solvers import Solution


def command(
    instance: InstanceName,
    solver: Annotated[
        str | None,
        typer.Option(
            help="`bitknap list` shows all. Default: core; of several resources, multi; of a "
            "quadratic objective, quadratic_branch_bound."
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=0.0, max=1e9, help="Seconds; then the best choice so far.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the solution to a file.")] = None,
) -> None:
    """Solve an instance file and print the allocation.

    Exit code 0 with a feasible answer, 2 for bad input, 3 when no choice fits the capacity,
    4 when the limits ended the search without an answer.
    """
    from bitknap.problems import write_atomically
    from bitknap.solvers import Status

    solution = _solved(instance, solver, time_limit)
    document = json.dumps(solution.to_dict(), indent=1)
    try:
        if out is not None:
            write_atomically(out, document + "\n")
    finally:
        if as_json:
            typer.echo(document)
        else:
            _print(solution)
    if solution.choice is None:
        from bitknap.bench.tables.terminal import note

        note(f"bitknap: {solution.message or solution.status.sentence}")
        raise typer.Exit(
            {
                Status.INFEASIBLE: EXIT_INFEASIBLE,
                Status.UNSUPPORTED: EXIT_BAD_INPUT,
            }.get(solution.status, EXIT_NO_SOLUTION)
        )


def _solved(name: str, solver: str | None, time_limit: float | None) -> Solution:
    from bitknap.problems.library import find_instance, find_quadratic

    problem = find_quadratic(name)
    if problem is None:
        from bitknap.solvers import solve

        return solve(find_instance(name), solver, time_limit)
    from bitknap.solvers.quadratic import solve_quadratic

    return solve_quadratic(problem, solver, time_limit)


def _print(solution: Solution) -> None:
    from bitknap.bench.tables.terminal import Terminal, print_rows, table

    facts = table("", "", box=None, show_header=False)
    for name, value in (
        ("instance", solution.instance.name),
        ("solver", solution.solver),
        ("status", solution.status.value),
        ("objective", solution.objective),
        ("bound", solution.bound),
        ("gap", solution.gap),
        ("seconds", f"{solution.seconds:.6f}"),
        *((name.replace("_", " "), value) for name, value in solution.stats.items()),
    ):
        if value is not None:
            facts.add_row(name, str(value))
    console = Terminal()
    console.print(facts)
    if solution.usage is None or solution.labels is None:
        return
    usage = table("resource", "used", "capacity", "left", right=1)
    for name, used, limit in zip(
        solution.instance.resources, solution.usage, solution.instance.capacity, strict=True
    ):
        usage.add_row(name, f"{used:,}", f"{limit:,}", f"{limit - used:,}")
    console.print(usage)
    print_rows(("class", "choice"), list(solution.labels.items()))
