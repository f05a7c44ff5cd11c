"""Build an instance file from a sensitivity table: metric, limits, layer policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._policy import Allow, Exclude, Pin, Tied, layer_policy


def command(
    table: Annotated[Path, typer.Argument(help="Sensitivity table (.npz).")],
    out: Annotated[Path, typer.Option(help="Instance file (.json or .npz).")],
    metric: Annotated[str, typer.Option(help="A metric of the table.")] = "fisher",
    budget: Annotated[
        str | None, typer.Option(help="Average bits per weight, a size such as 300kB, or w3a6.")
    ] = None,
    max_bops: Annotated[
        int | None, typer.Option(min=0, help="Bit operations per sample: MACs * bits * bits.")
    ] = None,
    latency: Annotated[
        Path | None, typer.Option(help="CSV of measurements: layer,w_bits,a_bits,ms.")
    ] = None,
    max_ms: Annotated[
        float | None, typer.Option(min=0, max=1e9, help="Latency in milliseconds, with --latency.")
    ] = None,
    activation_bits: Annotated[
        int | None,
        typer.Option(
            min=1, max=32, help="Of a table without activations: bit operations (32), latency file."
        ),
    ] = None,
    quadratic: Annotated[
        bool, typer.Option("--quadratic", help="Keep the terms between layers; --out is .npz.")
    ] = False,
    shrinkage: Annotated[
        float, typer.Option(min=0, max=1, help="Lower those terms by this share.")
    ] = 0.0,
    pin: Pin = None,
    exclude: Exclude = None,
    allow: Allow = None,
    tie: Tied = None,
) -> None:
    """Build an instance file from a sensitivity table: metric, limits, layer policy.

    With --quadratic, the instance minimises 1/2 x'Gx of the metric's scores, G = s's / N, and
    solve, verify and instances take it. Every limit given is one resource of the instance:
    size_bits, bops, latency_ns. A limit that no choice meets is refused, with exit code 3.

    Example: bitknap build runs/demo/table.npz --budget 3 --out limited.json
    """
    from bitknap.bench.tables.terminal import note
    from bitknap.plans.budgets import parse_budget
    from bitknap.problems import (
        DataError,
        InfeasibleError,
        merge_ties,
        save_instance,
        save_quadratic,
    )
    from bitknap.sensitivity import bops, latency_ns, load_table
    from bitknap.solvers.referee import infeasibility

    if quadratic and out.suffix != ".npz":
        raise DataError(f"--quadratic writes an NPZ file; name --out with .npz, got {out}")
    if shrinkage and not quadratic:
        raise DataError("--shrinkage lowers the terms between layers; give --quadratic as well")
    if (latency is None) != (max_ms is None):
        raise DataError("--latency and --max-ms go together: the measurements and the limit")
    loaded = load_table(table)
    limits: dict[str, int] = {}
    if latency is not None and max_ms is not None:
        loaded = loaded.with_cost("latency_ns", latency_ns(loaded, latency, activation_bits))
        limits["latency_ns"] = int(max_ms * 10**6)
    if max_bops is not None:
        loaded = loaded.with_cost("bops", bops(loaded, activation_bits))
        limits = {"bops": max_bops, **limits}
    loaded = layer_policy(pin, exclude, allow, tie).apply(loaded)
    if budget is not None:
        limits = {**parse_budget(budget).limits(loaded), **limits}
    if not limits:
        raise DataError("give at least one limit: --budget, --max-bops, or --latency and --max-ms")
    instance = loaded.to_instance(metric, limits)
    if reason := infeasibility(merge_ties(instance).instance):
        raise InfeasibleError(reason)
    if quadratic:
        save_quadratic(loaded.to_quadratic(metric, limits, shrinkage=shrinkage), out)
    else:
        save_instance(instance, out)
    shown = ", ".join(f"{name} <= {value:,}" for name, value in limits.items())
    note(f"wrote {out}: {len(instance)} layers, {instance.n_items} items, {shown}")
    for name, bits in loaded.floats.items():
        note(f"left in float, beside the budget: {name}, {bits:,} bits")
