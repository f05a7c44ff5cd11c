"""What the commands share that apply a plan file to a workload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import MOST_SEED

if TYPE_CHECKING:
    from bitknap.bench.workloads.base import Workload
    from bitknap.plans import Plan

PlanFile = Annotated[Path, typer.Argument(help="A bitknap.plan/1 file, e.g. of `bitknap plan`.")]
WorkloadName = Annotated[
    str, typer.Argument(help="A name of `bitknap list`, or your own MODULE:FUNCTION.")
]
Data = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
Samples = Annotated[int, typer.Option(min=1, help="Calibration samples, for the repairs.")]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=MOST_SEED, help="Seed of their draw. Default: that of the plan."),
]
Repair = Annotated[str, typer.Option(help="Repairs: auto, none, or names with commas.")]


@dataclass(frozen=True)
class Shipment:
    """A plan with the workload that it is applied to."""

    plan: Plan
    workload: Workload


def load_shipment(
    plan: Path, workload: str, data: Path | None, samples: int, seed: int | None
) -> Shipment:
    """Read a plan and build its workload, whose calibration data repair the network.

    Raises:
        DataError: the file is no plan, or the workload cannot be built.
    """
    from bitknap.plans import Plan

    loaded = Plan.load(plan)
    from bitknap.bench.job.table_cache import calibration_batches
    from bitknap.bench.workloads.loading import load_workload

    built = load_workload(workload, data)
    stored = loaded.table.provenance.get("seed")
    if seed is None:
        seed = stored if isinstance(stored, int) and 0 <= stored <= MOST_SEED else 0
    batches = tuple(calibration_batches(built, samples, seed))
    return Shipment(replace(loaded, calibration=batches, forward=built.forward), built)
