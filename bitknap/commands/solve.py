"""Solve an instance file and print the allocation."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.cli import EXIT_BAD_INPUT, EXIT_INFEASIBLE, EXIT_NO_SOLUTION
from bitknap.problems import BitknapError, DataError
from bitknap.problems.sizes import kilobytes

from ._options import InstanceName, metric_of

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
    budget: Annotated[
        str | None,
        typer.Option(help="Of a sensitivity table: average bits per weight, a size, or w3a6."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of a sensitivity table; default its first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Show bound, gap, time and what the method did.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the solution to a file.")] = None,
) -> None:
    """Solve an instance file, or a sensitivity table within a budget, and print the allocation.

    Exit code 0 with a feasible answer, 2 for bad input, 3 when no choice fits the capacity,
    4 when the limits ended the search without an answer.

    Example: bitknap solve fashion-resnet18/fisher_3 --stats
    """
    from bitknap.problems import write_atomically
    from bitknap.solvers import Status

    if budget is None and metric is not None:
        raise DataError("--metric goes with --budget, the budget of a sensitivity table")
    solution = (
        _solved(instance, solver, time_limit)
        if budget is None
        else _solved_table(instance, budget, metric, solver, time_limit)
    )
    document = json.dumps(solution.to_dict(), indent=1)
    try:
        if out is not None:
            write_atomically(out, document + "\n")
    finally:
        if as_json:
            typer.echo(document)
        else:
            _print(solution, stats)
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

    try:
        problem = find_quadratic(name)
        instance = find_instance(name) if problem is None else None
    except BitknapError:
        if _is_table(name):
            raise DataError(f"{name} is a sensitivity table; give --budget, e.g. 3") from None
        raise
    if problem is None:
        from bitknap.solvers import solve

        assert instance is not None
        return solve(instance, solver, time_limit)
    from bitknap.solvers.quadratic import solve_quadratic

    return solve_quadratic(problem, solver, time_limit)


def _is_table(name: str) -> bool:
    from bitknap.sensitivity import load_table

    if not name.endswith(".npz"):
        return False
    with contextlib.suppress(DataError):
        load_table(Path(name))
        return True
    return False


def _solved_table(
    name: str, budget: str, metric: str | None, solver: str | None, time_limit: float | None
) -> Solution:
    from bitknap.plans.budgets import parse_budget
    from bitknap.sensitivity import load_table
    from bitknap.solvers import solve

    limit, table = parse_budget(budget), load_table(Path(name))
    built = table.to_instance(metric_of(table, metric), limit.limits(table))
    return solve(built, solver, time_limit)


def _print(solution: Solution, stats: bool) -> None:
    from bitknap.bench.tables.terminal import Terminal, print_rows, say, table

    instance = solution.instance
    say(f"{solution.status.value}{_size(solution)}")
    if solution.usage is not None and solution.labels is not None:
        say(f"  objective {solution.objective:.9g} of {instance.name}, by {solution.solver}")
        for name, used, limit in zip(
            instance.resources, solution.usage, instance.capacity, strict=True
        ):
            say(f"  {name}: {used:,} of {limit:,}, {limit - used:,} left")
        print_rows(("class", "choice"), list(solution.labels.items()))
    if not stats:
        return
    facts = table("", "", box=None, show_header=False)
    for name, value in (
        ("bound", solution.bound),
        ("gap", solution.gap),
        ("seconds", f"{solution.seconds:.6f}"),
        *((name.replace("_", " "), value) for name, value in solution.stats.items()),
    ):
        if value is not None:
            facts.add_row(name, str(value))
    Terminal().print(facts)


def _size(solution: Solution) -> str:
    """Bits per weight and kB, as far as the instance tells them."""
    from bitknap.problems.average_bits import average_bits

    instance, parts = solution.instance, []
    if solution.choice is None or solution.usage is None:
        return ""
    average = average_bits(instance, solution.choice)
    if average is not None:
        parts.append(f"{average:.3f} bits per weight")
    if "size_bits" in instance.resources:
        size = solution.usage[instance.resources.index("size_bits")]
        parts.append(kilobytes(size))
    return f": {', '.join(parts)}" if parts else ""
