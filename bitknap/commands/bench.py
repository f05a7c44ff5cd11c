"""Run a study or list them: measured comparisons, printed and kept as CSV."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import typer


def command(
    study: Annotated[str | None, typer.Argument(help="Name; without it, all are listed.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer instances.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables as CSV.")] = None,
) -> None:
    """Run a study or list them: measured comparisons, printed and kept as CSV.

    Long studies keep what is finished in runs/STUDY, and a killed one goes on from there.
    """
    from bitknap.bench.studies import STUDIES

    if study is None:
        for name in STUDIES.names():
            typer.echo(f"{name:20} {STUDIES.summary(name)}")
        return

    from bitknap.bench.environment import machine, versions
    from bitknap.bench.terminal import print_grid
    from bitknap.problems import write_atomically

    from ._progress import progress

    run = STUDIES.load(study)
    with progress(f"running {study}") as say:
        offered = {"folder": Path("runs") / study, "say": say}
        wanted = inspect.signature(run).parameters
        grids = list(run(quick, **{k: v for k, v in offered.items() if k in wanted}))
    for number, grid in enumerate(grids):
        print_grid(grid)
        if out is not None:
            write_atomically(out / f"{study}-{number}.csv", grid.to_csv())
    typer.echo(f"machine: {machine()}")
    typer.echo("versions: " + ", ".join(f"{name} {v}" for name, v in versions().items()))
