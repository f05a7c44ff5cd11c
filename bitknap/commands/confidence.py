"""Say how certain a plan is: bootstrap over the calibration samples of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._options import MOST_SEED, TimeLimit, split
from ._policy import Allow, Exclude, Pin, Tied, layer_policy


def command(
    table: Annotated[Path, typer.Argument(help="Sensitivity table (.npz) of `bitknap run`.")],
    budgets: Annotated[
        str,
        typer.Option(metavar="BUDGET,..", help="Average bits per weight, or sizes such as 300kB."),
    ],
    metric: Annotated[str, typer.Option(help="A metric that keeps scores.")] = "fisher",
    resamples: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of resamples, each solved exactly.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the resamples.")] = 0,
    level: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    robust: Annotated[
        float | None, typer.Option(help="Also plan with mean + K standard errors.", metavar="K")
    ] = None,
    robust_quantile: Annotated[
        float | None, typer.Option(help="Also plan with this quantile over the resamples.")
    ] = None,
    plan_a: Annotated[
        Path | None, typer.Option(help="Plan: a solution file, or JSON of layer: bits.")
    ] = None,
    plan_b: Annotated[
        Path | None,
        typer.Option(help="The plan to compare with; default the optimum at the first budget."),
    ] = None,
    pin: Pin = None,
    exclude: Exclude = None,
    allow: Allow = None,
    tie: Tied = None,
    time_limit: TimeLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for confidence.json and the stability maps.")
    ] = None,
) -> None:
    """Say how certain a plan is: bootstrap over the calibration samples of a table.

    For each budget: how often each layer keeps its choice, the interval of the predicted loss,
    and the number of samples after which the plan stops changing. Exit code 4 when the time limit
    ended the work.

    Example: bitknap confidence runs/demo/table.npz --budgets 2.5,3
    """
    from bitknap.plans.budgets import parse_budget
    from bitknap.problems import DataError, write_atomically
    from bitknap.problems.storage import only_writer
    from bitknap.solvers.base import limited

    if plan_b is not None and plan_a is None:
        raise DataError("--plan-b is compared with --plan-a; give both, or --plan-a alone")
    if robust is not None and robust_quantile is not None:
        raise DataError("a robust plan needs either --robust or --robust-quantile, not both")
    remedy = "allow more, or fewer --resamples"
    with limited(time_limit, "the resamples were not all solved", remedy) as deadline:
        from bitknap.bench.confidence.bootstrap import Bootstrap
        from bitknap.bench.confidence.plan_comparison import compare, robust_plan
        from bitknap.bench.confidence.resampled_plans import confidence
        from bitknap.bench.job.plan_files import load_plan
        from bitknap.sensitivity import load_table

        limits = [parse_budget(text) for text in split(budgets, "--budgets")]
        loaded = layer_policy(pin, exclude, allow, tie).apply(load_table(table))
        compared = [load_plan(path, loaded) for path in (plan_a, plan_b) if path is not None]
        resampled = Bootstrap(loaded, metric, resamples, seed, deadline)
        plans = {}
        for limit in limits:
            plan = confidence(
                resampled, limit.limits(loaded), level=level, name=f"{metric} at {limit.text}"
            )
            pessimist = None
            if robust is not None or robust_quantile is not None:
                pessimist = robust_plan(
                    resampled, plan, errors=robust, quantile=robust_quantile, level=level
                )
            plans[limit.text] = plan, pessimist
        comparison = None
        if compared:
            first = plans[limits[0].text][0]
            compared.append(first.instance.positions(first.choice))
            comparison = compare(resampled, compared[0], compared[1], level)
    from bitknap.bench.confidence.tables import (
        comparison_sentence,
        document,
        layer_table,
        prefix_table,
        stability_figure,
        summary_table,
    )
    from bitknap.bench.tables.terminal import print_table, say

    found = json.dumps(document(resampled, plans, comparison, level), indent=1)
    try:
        if out is not None:
            from bitknap.bench.figures.style import save

            with only_writer(out):
                write_atomically(out / "confidence.json", found + "\n")
                for text, (plan, _) in plans.items():
                    save(stability_figure(plan, metric, text), out / f"stability_{metric}_{text}")
    finally:
        if as_json:
            typer.echo(found)
        else:
            for text, (plan, _) in plans.items():
                print_table(layer_table(plan, text, resampled))
                print_table(prefix_table(plan, text))
            print_table(summary_table(resampled, plans, level))
            if comparison is not None:
                say(comparison_sentence(comparison, level))
