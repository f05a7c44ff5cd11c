"""Rebuild the tables and figures of the paper, on the networks that are here."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
        str, typer.Option(help="With --imagenet: resnet18, resnet50 or mobilenetv2.")
    ] = "resnet18",
) -> None:
    """Rebuild the tables and figures of the paper, on the networks that are here.

    What is done is kept in OUT and not done again, so that an interrupted run goes on. Published
    figures on ImageNet stand in tables of their own, with their source.
    """
    from rich.console import Console

    from bitknap.bench.paper import PARTS
    from bitknap.bench.paper import scale as scales
    from bitknap.bench.paper.study import fashion, run_study
    from bitknap.bench.report.write import build_contents, write_page
    from bitknap.bench.terminal import print_grid

    if imagenet is None:
        scale = scales.FAST if fast else scales.FULL
        load, name = fashion(scale, data), "paper"
    else:
        scale, load = _imagenet(imagenet, weights, network, fast)
        name = f"paper-{network}"
    folder = out or Path("runs") / (f"{name}-fast" if fast else name)
    for part in section or ():
        PARTS.require(part)
    console = Console(stderr=True)
    with console.status("starting") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text, highlight=False, markup=False, soft_wrap=True)

        study = run_study(scale, folder, ["bitknap", *sys.argv[1:]], say, load)
        say("drawing the page")
        contents = build_contents(PARTS, [study], section or ())
        title = "The paper's tables and figures"
        lead = "W. Chen, P. Wang, J. Cheng, ICCV 2021 (MPQCO), on networks that are here."
        write_page(folder / "report.html", title, lead, contents, study.command)
    for _, _, content in contents:
        for name, grid in content.grids.items() if content is not None else ():
            if name != "cells":
                print_grid(grid)
    typer.echo(f"report: {folder / 'report.html'}")


def _imagenet(
    root: Path, weights: Path | None, network: str, fast: bool
) -> tuple[Scale, Callable[[str], Workload]]:
    """Scale and workload of a network on ImageNet; prints first what the study will take."""
    from bitknap.bench.image_folder import Folder
    from bitknap.bench.imagenet import imagenet_workload
    from bitknap.bench.paper import scale as scales
    from bitknap.bench.paper.needs import estimate
    from bitknap.bench.terminal import print_grid
    from bitknap.problems import DataError

    if weights is None:
        raise DataError("--imagenet needs --weights FILE, a state dict in torchvision's names")
    if network not in scales.IMAGENET_RATES:
        known = ", ".join(scales.IMAGENET_RATES)
        raise DataError(f"--network must be one of {known}, got {network!r}")
    scale = scales.imagenet(network, fast)
    workload = imagenet_workload(network, root, weights, scale.test)
    images = len(Folder(root / "val").files)
    print_grid(estimate(network, workload, scale, min(scale.test or images, images)))
    return scale, lambda name: workload
