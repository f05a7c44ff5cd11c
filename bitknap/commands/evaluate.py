"""Measure the accuracy of a workload's network with a plan applied."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ._shipping import Data, PlanFile, Repair, Samples, Seed, WorkloadName, load_shipment


def command(
    plan: PlanFile,
    workload: WorkloadName,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="In onnxruntime too, from an ONNX file.")
    ] = False,
    repair: Repair = "auto",
    samples: Samples = 1024,
    seed: Seed = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the accuracy of a workload's network with a plan applied.

    In float, as quantized and repaired in PyTorch, and with --onnx in onnxruntime.

    Example: bitknap evaluate plan.json fashion-resnet18 --onnx
    """
    from bitknap.bench.workloads.loading import require_workload

    require_workload(workload)
    from bitknap.bench.tables.terminal import print_rows
    from bitknap.plans.export import TARGETS
    from bitknap.plans.export.base import applied

    from ._progress import progress

    target = TARGETS.load("onnx") if onnx else None
    with progress(f"loading {workload}") as tell:
        given = load_shipment(plan, workload, data, samples, seed)
        found = {"float": given.workload.model}
        tell("applying the plan")
        made = applied(given.plan, given.workload.model, repair=repair)
        found["quantized"] = made.network
        if target is not None:
            tell("exporting to ONNX")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.onnx")
                target.write(made, path)
                found["onnxruntime"] = target.load(path, made.model)
        accuracies = {}
        for name, network in found.items():
            tell(f"evaluating {name}")
            accuracies[name] = given.workload.accuracy(network)
    if as_json:
        typer.echo(
            json.dumps({n: {"correct": a.correct, "total": a.total} for n, a in accuracies.items()})
        )
    else:
        rows = [(name, str(a), f"{a.correct:,} of {a.total:,}") for name, a in accuracies.items()]
        print_rows(("network", "accuracy", "right"), rows)
