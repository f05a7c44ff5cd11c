"""Rank the best allocations, or force every choice in turn."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import InstanceName, TimeLimit

if TYPE_CHECKING:
    from bitknap.problems import Instance
    from bitknap.solvers.topk import Allocation, ForcedItems


def command(
    instance: InstanceName,
    k: Annotated[int, typer.Option("-k", min=1, max=1_000_000, help="How many.")] = 5,
    force: Annotated[
        bool, typer.Option("--forced", help="Show instead what forcing each item costs.")
    ] = False,
    solver: Annotated[
        str | None, typer.Option(help="Exact method to use throughout. Default: ours.")
    ] = None,
    time_limit: TimeLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank the best allocations, or force every choice in turn.

    Exit code 0 with an answer, 2 for bad input, 3 when no choice fits the capacity, 4 when the
    time limit ended the work.

    Example: bitknap topk fashion-resnet18/fisher_3 -k 5
    """
    from bitknap.problems.library import find_instance
    from bitknap.solvers.topk import forced, top_k

    problem = find_instance(instance)
    if force:
        from ._progress import progress

        with progress("forcing items") as say:
            found = forced(
                problem,
                solver,
                time_limit,
                lambda done, items: say(f"items: {done} of {items}"),
            )
        if as_json:
            typer.echo(json.dumps(_forced_document(found), indent=1))
        else:
            _print_forced(found)
        return
    ranking = top_k(problem, k, solver, time_limit)
    if as_json:
        typer.echo(json.dumps(_ranking_document(problem, ranking), indent=1))
    else:
        _print_ranking(problem, ranking)


def _ranking_document(problem: Instance, ranking: list[Allocation]) -> dict[str, Any]:
    return {
        "format": "bitknap.topk/1",
        "instance": problem.name,
        "allocations": [
            {
                "rank": rank,
                "objective": entry.objective,
                "usage": dict(
                    zip(problem.resources, problem.usage(entry.choice).tolist(), strict=True)
                ),
                "choice": problem.by_label(entry.choice),
            }
            for rank, entry in enumerate(ranking, 1)
        ],
    }


def _forced_document(found: ForcedItems) -> dict[str, Any]:
    problem = found.instance
    labels = problem.by_label(found.choice)
    classes = {}
    for i, name in enumerate(problem.class_names):
        span = range(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        classes[name] = {
            "chosen": labels[name],
            "elsewhere": _finite(found.elsewhere[i]),
            "objective": {problem.labels[j]: _finite(found.objective[j]) for j in span},
        }
    return {
        "format": "bitknap.forced/1",
        "instance": problem.name,
        "optimum": found.optimum,
        "classes": classes,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _print_ranking(problem: Instance, ranking: list[Allocation]) -> None:
    from bitknap.bench.tables.terminal import Terminal, table

    shown = table("rank", "objective", *problem.resources, "change from the best")
    best = problem.by_label(ranking[0].choice)
    for rank, entry in enumerate(ranking, 1):
        labels = problem.by_label(entry.choice)
        changes = [f"{name}: {best[name]} -> {s}" for name, s in labels.items() if s != best[name]]
        usage = [f"{used:,}" for used in problem.usage(entry.choice).tolist()]
        shown.add_row(str(rank), f"{entry.objective!r}", *usage, ", ".join(changes))
    Terminal().print(shown)


def _print_forced(found: ForcedItems) -> None:
    from bitknap.bench.tables.terminal import print_rows, say

    problem = found.instance
    rows = []
    labels = problem.by_label(found.choice)
    for i, name in enumerate(problem.class_names):
        span = range(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        rises = ", ".join(f"{problem.labels[j]}: {_rise(found.rise[j], 3)}" for j in span)
        rows.append((name, labels[name], _rise(found.elsewhere[i], 6), rises))
    say(f"optimum {found.optimum!r}")
    print_rows(("class", "chosen", "rise elsewhere", "rise of each item"), rows)


def _rise(value: float, count: int) -> str:
    """So many digits, or that nothing fits then."""
    return "no fit" if value == math.inf else f"{value:.{count}g}"
