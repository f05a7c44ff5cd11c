"""Rebuild the tables and figures of the paper on the included networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bitknap.bench.paper.scale import Scale
    from bitknap.bench.workloads.base import Workload


def command(
    fast: Annotated[bool, typer.Option("--fast", help="Fewer cells, shorter training.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; default runs/paper[-fast].")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of Fashion-MNIST.")] = None,
    section: Annotated[
        list[str] | None, typer.Option(help="Show this part only, e.g. table1; repeatable.")
    ] = None,
    imagenet: Annotated[
        Path | None, typer.Option(help="Folder with train/ and val/: run on ImageNet instead.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="With --imagenet: torchvision's state dict.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="With --imagenet: resnet18 (default), resnet50 or mobilenetv2."),
    ] = None,
) -> None:
    """Rebuild the tables and figures of the paper on the included networks.

    Finished work is kept in OUT and not repeated, so that an interrupted run resumes. Published
    figures on ImageNet stand in tables of their own, with their source. Started by torchrun, the
    processes share tables and fine-tuning.

    Example: bitknap paper --fast --out runs/paper-fast
    """
    from bitknap.bench.paper import PARTS
    from bitknap.bench.paper.call import Call, save_call, write_study
    from bitknap.bench.paper.study import help_study, run_study
    from bitknap.bench.tables.terminal import print_table, say
    from bitknap.problems import DataError
    from bitknap.problems.storage import only_writer
    from bitknap.sensitivity.resume.ranks import joined

    from ._progress import progress

    for part in section or ():
        PARTS.require(part)
    if imagenet is None and (weights is not None or network is not None):
        raise DataError("--weights and --network go with --imagenet DIR; give that too")
    if imagenet is not None and data is not None:
        raise DataError("--data is the folder of Fashion-MNIST; --imagenet runs without it")
    root, state = (None if path is None else str(path.resolve()) for path in (imagenet, weights))
    known = None if data is None else str(data.resolve())
    call = Call(["bitknap", *sys.argv[1:]], fast, known, root, state, network or Call.network)
    name = "paper" if imagenet is None else f"paper-{call.network}"
    folder = out or Path("runs") / (f"{name}-fast" if fast else name)
    with joined() as ranks, progress("starting", quiet=ranks.rank > 0) as tell:
        scale, load = call.open()
        if ranks.rank:
            help_study(scale, folder, tell, load, ranks)
            return
        if imagenet is not None:
            _print_needs(call.network, load(call.network), scale, imagenet)
        with only_writer(folder):
            save_call(call, folder)
            study = run_study(scale, folder, call.arguments, tell, load, ranks)
        tell("drawing the page")
        contents = write_study(study, folder / "report.html", section or ())
    for _, _, content in contents:
        for name, table in content.tables.items() if content is not None else ():
            if name != "cells":
                print_table(table)
    say(f"report: {folder / 'report.html'}")


def _print_needs(network: str, workload: Workload, scale: Scale, root: Path) -> None:
    """Say what the study on ImageNet will take."""
    from bitknap.bench.datasets.image_folder import Folder
    from bitknap.bench.paper.needs import estimate
    from bitknap.bench.tables.terminal import print_table

    images = len(Folder(root / "val").files)
    print_table(estimate(network, workload, scale, min(scale.test or images, images)))
