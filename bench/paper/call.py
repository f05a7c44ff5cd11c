"""What `bitknap paper` was asked, kept in its folder so that its page can be drawn again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bitknap.problems import DataError
from bitknap.problems.documents import load_as, save_document

from ..report.source import CELLS
from ..report.write import Contents, build_contents, write_page
from ..workloads.base import Workload
from . import PARTS
from .scale import FAST, FULL, IMAGENET_RATES, Scale, imagenet
from .study import Study, fashion, run_study

FORMAT = "bitknap.paper/1"
FILE = "paper.json"
TITLE = "The paper's tables and figures"
LEAD = "W. Chen, P. Wang, J. Cheng, ICCV 2021 (MPQCO), on networks that are here."


@dataclass(frozen=True)
class Call:
    """The options of the command."""

    arguments: Sequence[str]
    fast: bool = False
    data: str | None = None
    root: str | None = None
    weights: str | None = None
    network: str = "resnet18"

    def open(self) -> tuple[Scale, Callable[[str], Workload]]:
        """The extent of the study, and what loads a network.

        Raises:
            DataError: weights are missing, or there is no such network.
        """
        if self.root is None:
            scale = FAST if self.fast else FULL
            return scale, fashion(scale, Path(self.data) if self.data else None)
        from ..workloads.imagenet import imagenet_workload

        if self.weights is None:
            raise DataError("--imagenet needs --weights FILE, a state dict in torchvision's names")
        if self.network not in IMAGENET_RATES:
            known = ", ".join(IMAGENET_RATES)
            raise DataError(f"--network must be one of {known}, got {self.network!r}")
        scale = imagenet(self.network, self.fast)
        workload = imagenet_workload(self.network, Path(self.root), Path(self.weights), scale.test)
        return scale, lambda name: workload


def save_call(call: Call, folder: Path) -> None:
    """Write ``paper.json``."""
    save_document(folder / FILE, FORMAT, asdict(call))


def load_study(folder: Path, say: Callable[[str], None]) -> Study:
    """The study of a folder, from what is kept there; nothing is measured.

    Raises:
        DataError: the study did not end, or its file is damaged.
    """
    call = load_as(Call, folder / FILE, (FORMAT,))
    if not (folder / CELLS).exists():
        raise DataError(
            f"{folder} holds a study that did not end; resume it with: {shlex.join(call.arguments)}"
        )
    scale, load = call.open()
    return run_study(scale, folder, call.arguments, say, load)


def write_study(study: Study, page: Path, only: Sequence[str] = ()) -> Contents:
    """Write the page with its figures and tables beside it; returns what it shows.

    Raises:
        UnsupportedError: ``only`` names a part that does not exist.
    """
    contents = build_contents(PARTS, [study], only)
    write_page(page, TITLE, LEAD, contents, study.command)
    return contents
