"""Take a workload from its network to measured accuracy at every budget."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import _options as options
from ._options import MOST_SEED, Bits, Device, split
from ._policy import Allow, Exclude, Pin, Tied, layer_policy

BITS = "2,3,4,5,6,8"
BUDGETS = "2.25,2.5,3,4"
METRICS = ["fisher", "weight_mse", "loss"]
PAIR_METRICS = ["fisher", "loss"]
SOLVERS = "greedy,core,dp,cbc,highs,cpsat"
SEVERAL = "multi,cbc,highs,cpsat"


def command(
    workload: Annotated[
        str, typer.Option(help="A name of `bitknap list`, or your own MODULE:FUNCTION.")
    ] = "fashion-resnet18",
    metric: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable. Default: {', '.join(METRICS)}.")
    ] = None,
    bits: Bits = BITS,
    budget: Annotated[
        str,
        typer.Option(
            help="Average bits per weight, sizes such as 300kB, or w3a6: docs/quantizers.md."
        ),
    ] = BUDGETS,
    solvers: Annotated[
        str | None,
        typer.Option(help=f"Methods to compare. Default: {SOLVERS}; for w3a6: {SEVERAL}."),
    ] = None,
    time_limit: Annotated[
        float, typer.Option(min=0.0, help="Seconds for each solve; then the best choice so far.")
    ] = 60.0,
    samples: Annotated[int, typer.Option(min=1, help="Calibration samples.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder; default runs/WORKLOAD.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    device: Device = "cpu",
    measure: Annotated[
        int,
        typer.Option(
            min=0, help="Networks run to find each budget's recommended plan; 0 recommends none."
        ),
    ] = 100,
    max_kl: Annotated[
        float | None,
        typer.Option(
            metavar="KL", help="Also find the smallest plan whose measured damage is at most this."
        ),
    ] = None,
    repair: Annotated[
        str, typer.Option(help="Repairs of quantized networks: auto, none, or names with commas.")
    ] = "auto",
    quantizer: options.Quantized = None,
    activation_bits: options.ActivationBits = None,
    activation_words: options.ActivationWords = None,
    pin: Pin = None,
    exclude: Exclude = None,
    allow: Allow = None,
    tie: Tied = None,
    find_ties: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,..",
            help="Tie layers by the traced network: residual, attention, gate, stream, input.",
        ),
    ] = None,
) -> None:
    """Take a workload from its network to measured accuracy at every budget.

    Writes the sensitivity table, instances, solutions, records, figures and report.html to OUT;
    a second run with the same inputs reuses what is there.
    """
    from bitknap.bench.workloads.loading import load_workload, require_workload
    from bitknap.plans.budgets import parse_budget
    from bitknap.sensitivity import METRICS as KNOWN_METRICS
    from bitknap.sensitivity.policy.ties import require_kinds
    from bitknap.solvers import load_solver

    standard = METRICS if activation_bits is None else PAIR_METRICS
    names = [name for text in metric or standard for name in split(text, "--metric")]
    widths = options.bit_widths(bits)
    budgets = tuple(parse_budget(text) for text in split(budget, "--budget"))
    pairs = any(limit.activation_bits is not None for limit in budgets)
    methods = split(solvers or (SEVERAL if pairs else SOLVERS), "--solvers")
    policy = layer_policy(pin, exclude, allow, tie)
    kinds = split(find_ties, "--find-ties") if find_ties else []
    require_kinds(kinds)
    require_workload(workload)
    for name in names:
        KNOWN_METRICS.require(name)
    for name in methods:
        load_solver(name)
    weights = options.weight_quantizer(quantizer)
    activations = options.activation_quantizer(activation_bits, activation_words, names)
    from bitknap.bench.job.run import Job, run_job
    from bitknap.bench.report.write import write_report
    from bitknap.plans.repair.base import repairs_named
    from bitknap.plans.smallest import require_damage
    from bitknap.problems import DataError

    from ._progress import progress

    repairs_named(repair)
    if max_kl is not None:
        require_damage(max_kl)
        if not measure:
            raise DataError("--max-kl is measured, so --measure must be 1 or more; got 0")

    with progress(f"loading {workload}") as tell:
        job = Job(
            workload=load_workload(workload, data, device),
            metrics=tuple(dict.fromkeys(names)),
            bits=widths,
            budgets=budgets,
            solvers=tuple(dict.fromkeys(methods)),
            samples=samples,
            seed=seed,
            out=out or Path("runs") / workload.replace(":", "-"),
            policy=policy,
            tie_kinds=tuple(kinds),
            command=shlex.join(["bitknap", *sys.argv[1:]]),
            quantizer=weights,
            activations=activations,
            time_limit=time_limit,
            measure=measure,
            repair=repair,
            max_kl=max_kl,
        )
        results = run_job(job, tell)
        tell("drawing the report")
        page = write_report(job.out)
    from bitknap.bench.job.tables import (
        accuracy_table,
        last_repair,
        measure_tables,
        optimum_table,
        recommended_table,
        solver_table,
    )
    from bitknap.bench.tables.terminal import print_table, say

    print_table(solver_table(results))
    print_table(optimum_table(results))
    print_table(accuracy_table(results))
    if (repaired := last_repair(results)) != "none":
        print_table(accuracy_table(results, repaired))
    for table in measure_tables(results).values():
        print_table(table)
    if results.recommended:
        print_table(recommended_table(results))
    say(f"coverage: {results.table.coverage}")
    say(f"report: {page}")
