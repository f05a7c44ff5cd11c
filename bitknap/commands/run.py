"""Take a workload from its network to a recommended plan for every budget."""

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
METRICS = "fisher,weight_mse"
FULL_METRICS = "fisher,weight_mse,loss"
PAIR_METRICS = "fisher,loss"
SOLVERS = "greedy,core"
FULL_SOLVERS = "greedy,core,dp,cbc,highs,cpsat"
SEVERAL = "multi,cbc,highs,cpsat"


def command(
    workload: Annotated[
        str, typer.Option(help="A name of `bitknap list`, or your own MODULE:FUNCTION.")
    ] = "fashion-resnet18",
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAME,..", help=f"Default: {METRICS}; with --full {FULL_METRICS}."),
    ] = None,
    bits: Bits = BITS,
    budgets: Annotated[
        str,
        typer.Option(
            metavar="BUDGET,..",
            help="Average bits per weight, sizes such as 300kB, or w3a6: docs/quantizers.md.",
        ),
    ] = BUDGETS,
    solvers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,..",
            help=f"Methods to compare. Default: {SOLVERS}; with --full {FULL_SOLVERS}; for w3a6 "
            f"{SEVERAL}.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Measure also every metric's plans, the greedy's and random ones, with and "
            "without repair.",
        ),
    ] = False,
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
    """Take a workload from its network to a recommended plan for every budget.

    Writes plans, sensitivity table, instances, solutions, records, figures and report.html to OUT;
    a second run with the same inputs reuses what is there.

    Example: bitknap run --workload fashion-resnet18 --budgets 2.5,3
    """
    from bitknap.bench.workloads.loading import load_workload, require_workload
    from bitknap.plans.budgets import parse_budget
    from bitknap.sensitivity import METRICS as KNOWN_METRICS
    from bitknap.sensitivity.policy.ties import require_kinds
    from bitknap.solvers import load_solver

    standard = (FULL_METRICS if full else METRICS) if activation_bits is None else PAIR_METRICS
    names = split(standard if metrics is None else metrics, "--metrics")
    widths = options.bit_widths(bits)
    limits = tuple(parse_budget(text) for text in split(budgets, "--budgets"))
    pairs = any(limit.activation_bits is not None for limit in limits)
    usual = SEVERAL if pairs else FULL_SOLVERS if full else SOLVERS
    methods = split(usual if solvers is None else solvers, "--solvers")
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
            budgets=limits,
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
            full=full,
            max_kl=max_kl,
        )
        results = run_job(job, tell)
        page = write_report(job.out, say=tell)
    from bitknap.bench.job.plan_rows import plan_lines, plan_table
    from bitknap.bench.job.tables import accuracy_table, optimum_table, solver_table
    from bitknap.bench.tables.terminal import print_table, say

    if full or not results.recommended:
        for table in (solver_table, optimum_table, accuracy_table):
            print_table(table(results))
    say(f"coverage: {results.table.coverage}")
    if results.recommended:
        print_table(plan_table(results))
        for line in plan_lines(results):
            say(line)
    say(f"report: {page}")
