"""Fine-tune the network of a workload with its weights quantized as a plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import MOST_SEED


def command(
    workload: Annotated[
        str, typer.Argument(help="A name of `bitknap list`, or your own MODULE:FUNCTION.")
    ],
    plan: Annotated[
        Path, typer.Option(help="A solution of `bitknap solve --json`, or JSON of layer: bits.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for network.safetensors and finetuning.json.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training set.")] = 1,
    batches: Annotated[
        int | None, typer.Option(min=1, help="Batches of an epoch that are used; default all.")
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="Rate of the first step; falls to 0.")
    ] = 0.01,
    input_bits: Annotated[
        int | None, typer.Option(help="Bits of the layers' inputs; default float.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Seed of order and augmentation.")
    ] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
) -> None:
    """Fine-tune the network of a workload with its weights quantized as a plan says.

    Quantization-aware training with learned steps (LSQ). Prints the accuracy of the float
    network, and of the plan before and after. Interrupted, it resumes after the last whole epoch.

    Example: bitknap finetune fashion-resnet18 --plan runs/demo/plans/2.5.json --out tuned
    """
    from bitknap.bench.finetuning.fine_tune import FineTuning
    from bitknap.bench.finetuning.tuned_plan import tune_plan, tuning_table
    from bitknap.bench.job.plan_files import read_plan
    from bitknap.bench.tables.terminal import print_table, say
    from bitknap.bench.workloads.loading import load_workload, require_workload

    from ._progress import progress

    require_workload(workload)
    tuning = FineTuning(epochs, batches, learning_rate, input_bits=input_bits)
    chosen = read_plan(plan)
    with progress(f"loading {workload}") as tell:
        record = tune_plan(load_workload(workload, data), chosen, tuning, seed, out, tell)
    print_table(tuning_table(record))
    say(f"network: {out / 'network.safetensors'}")
