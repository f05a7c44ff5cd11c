"""Find layers that should share their bits, and say what each tie costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitknap.problems.sizes import kilobytes

from ._options import TimeLimit, split
from ._policy import Allow, Exclude, Pin, Tied, layer_policy

if TYPE_CHECKING:
    from bitknap.bench.job.ties import Prices
    from bitknap.sensitivity import Graph, SensitivityTable


def command(
    table: Annotated[Path, typer.Argument(help="Sensitivity table (.npz).")],
    workload: Annotated[
        str | None, typer.Option(help="Its workload, whose network is traced for ties.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="What to trace: residual, attention, gate, stream, input.")
    ] = "residual,attention,gate",
    tie: Tied = None,
    pin: Pin = None,
    exclude: Exclude = None,
    allow: Allow = None,
    metric: Annotated[str, typer.Option(help="Metric of the prices.")] = "fisher",
    budgets: Annotated[
        str | None,
        typer.Option(metavar="BUDGET,..", help="Price the ties at average bits or sizes."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    time_limit: TimeLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the table with its ties and policy to this file.")
    ] = None,
) -> None:
    """Find layers that should share their bits, and say what each tie costs.

    Ties come from the table, from --tie patterns, and with --workload from the traced network.
    The price of a tie is the rise of the optimal predicted loss, both optima being exact. Exit
    code 4 when the time limit ended the work.

    Example: bitknap ties runs/demo/table.npz --workload fashion-resnet18 --budgets 3
    """
    from bitknap.plans.budgets import parse_budget
    from bitknap.solvers.base import limited

    limits = [parse_budget(text) for text in split(budgets, "--budgets")] if budgets else []
    notes: list[str] = []
    with limited(time_limit, "the ties were not all priced", "allow more") as deadline:
        from bitknap.bench.job.ties import price_ties, trace_workload, with_found_ties
        from bitknap.sensitivity import load_table, save_table

        policy = layer_policy(pin, exclude, allow, tie)
        loaded = load_table(table)
        if workload is not None:
            from bitknap.bench.workloads.loading import load_workload

            graph = trace_workload(loaded, load_workload(workload, data))
            loaded = with_found_ties(loaded, graph, split(kind, "--kind"))
            notes.append(f"Traced by {graph.tracer}.")
            if graph.samples:
                peak = graph.activation_peak()
                notes.append(
                    f"Activations of one sample peak at {kilobytes(peak.bits(32))} in float32, "
                    f"{kilobytes(peak.bits(8))} at 8 bits ({peak.step}), whatever the plan."
                )
                if loaded.activations is not None:
                    notes.append(_chosen_peak(loaded, graph))
        loaded = policy.apply(loaded)
        prices = {
            limit.text: price_ties(loaded, metric, limit.limits(loaded), deadline)
            for limit in limits
        }
    try:
        if out is not None:
            save_table(loaded, out)
    finally:
        if as_json:
            typer.echo(json.dumps(_document(loaded, metric, prices), indent=1))
        else:
            _print(loaded, prices, notes)


def _chosen_peak(table: SensitivityTable, graph: Graph) -> str:
    """The peak when every layer takes its fewest activation bits."""
    fewest = {
        layer.name: int(table.activation_bits[table.items(i)].min())
        for i, layer in enumerate(table.layers)
    }
    return (
        f"With the fewest activation bits of every layer it is "
        f"{kilobytes(graph.activation_peak_bits(fewest))}: values that other operations read "
        "too stay in float."
    )


def _document(table: SensitivityTable, metric: str, prices: dict[str, Prices]) -> dict[str, Any]:
    return {
        "format": "bitknap.ties/1",
        "ties": [asdict(tie) for tie in table.ties],
        "metric": metric,
        "prices": {
            text: {
                "without_ties": found.free,
                "with_ties": found.tied,
                "ties": [{"alone": p.alone, "beside_the_others": p.beside} for p in found.ties],
            }
            for text, found in prices.items()
        },
    }


def _print(table: SensitivityTable, prices: dict[str, Prices], notes: list[str]) -> None:
    from bitknap.bench.tables.table import Table
    from bitknap.bench.tables.terminal import print_table

    columns = ["layers", "why"]
    rows = [[", ".join(tie.layers), tie.reason] for tie in table.ties]
    for text, found in prices.items():
        columns += [f"alone at {text}", f"beside the others at {text}"]
        for row, priced in zip(rows, found.ties, strict=True):
            row += [_share(priced.alone, found.free), _share(priced.beside, found.free)]
        notes.append(
            f"At {text}: predicted loss {found.free:.4g} without ties, {found.tied:.4g} with all "
            f"({_share(found.tied - found.free, found.free)})."
        )
    shared = [
        f"{layer.name} is also {', '.join(layer.shared)}" for layer in table.layers if layer.shared
    ]
    notes += [f"One weight, one choice: {text}." for text in shared]
    title = f"Ties: {len(rows)} groups" if rows else "No ties"
    print_table(Table(title, columns, rows, notes=notes, text_columns=2))


def _share(rise: float, free: float) -> str:
    return f"+{100 * rise / free:.3g} %" if free > 0 else f"+{rise:.3g}"
