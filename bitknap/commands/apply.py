"""Apply a plan to a workload's network and write the quantized weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._shipping import Data, PlanFile, Repair, Samples, Seed, WorkloadName, load_shipment


def command(
    plan: PlanFile,
    workload: WorkloadName,
    out: Annotated[Path, typer.Option(help="File to write (.safetensors).")],
    packed: Annotated[
        bool, typer.Option("--packed", help="Codes at their true widths instead of floats.")
    ] = False,
    repair: Repair = "auto",
    samples: Samples = 1024,
    seed: Seed = None,
    data: Data = None,
) -> None:
    """Apply a plan to a workload's network and write the quantized weights.

    The file is the state dict of the quantized, repaired network, which `load_state_dict` takes;
    with --packed it is as small as the plan says, and `bitknap.load_packed` reads it.

    Example: bitknap apply plan.json fashion-resnet18 --out quantized.safetensors
    """
    from bitknap.bench.workloads.loading import require_workload
    from bitknap.problems import DataError

    require_workload(workload)
    if out.suffix != ".safetensors":
        raise DataError(f"--out must name a .safetensors file, got {str(out)!r}")
    from bitknap.bench.tables.terminal import note
    from bitknap.problems import write_atomically

    from ._progress import progress

    with progress(f"loading {workload}") as tell:
        given = load_shipment(plan, workload, data, samples, seed)
        tell("applying the plan")
        if packed:
            size = given.plan.pack(given.workload.model, out, repair=repair)
        else:
            import safetensors.torch

            network = given.plan.apply(given.workload.model, repair=repair)
            # Clones: safetensors takes no tensors that share memory.
            state = {
                name: value.clone().contiguous() for name, value in network.state_dict().items()
            }
            content = safetensors.torch.save(state)
            write_atomically(out, content)
            size = len(content)
    least = given.plan.predicted_bytes
    hint = f"the plan's weights take {least:,}" + ("" if packed else " with --packed")
    note(f"wrote {out}: {size:,} bytes; {hint}")
