"""The parts of a section: facts, sentences, figures with points to read off, and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, ParamSpec

from matplotlib.figure import Figure

from ..tables.table import Table

Folders = ParamSpec("Folders")


@dataclass(frozen=True)
class Mark:
    """A point of a figure whose values can be read off.

    Args:
        x, y: where it is, in the units of the axes.
        values: name -> value, as shown.
    """

    x: float
    y: float
    values: Mapping[str, str]


@dataclass(frozen=True)
class Panel:
    """One drawing on the page; panels stand side by side where there is room.

    Args:
        figure: with one axes that matters, the first.
        marks: points that can be read off, in the order in which arrow keys visit them.
        finding: what the drawing shows, for those who cannot see it; by default the caption.
        layers: names of the layers whose labels a mark's value ``bits by layer`` holds.
    """

    figure: Figure
    marks: Sequence[Mark] = ()
    finding: str = ""
    layers: Sequence[str] = ()


@dataclass(frozen=True)
class Plot:
    """A figure: as files, and as panels on the page.

    Args:
        name: of the files ``figures/NAME.{png,svg,pdf}``.
        caption: the sentences below it.
        figure: for the files.
        panels: for the page; by default the figure itself.
        data: the numbers that are drawn, written as ``figures/NAME.csv``.
        command: what draws it again, where that is not ``bitknap report DIR --section NAME``.
        wide: keep the panels at a readable width and let readers scroll them sideways.
    """

    name: str
    caption: str
    figure: Figure
    panels: Sequence[Panel] = ()
    data: Table | None = None
    command: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Fold:
    """A plan that can be opened, looked at and copied.

    Args:
        title: what it is, in a line.
        panel: its drawing.
        texts: sentences below it.
        copied: what the button copies.
        file: where the plan is.
        open: whether it is open at first.
    """

    title: str
    panel: Panel
    texts: Sequence[str]
    copied: str
    file: Path
    open: bool = False


@dataclass(frozen=True)
class Content:
    """What a section shows, in this order.

    Args:
        gist: its finding, in a line beside the heading.
        facts: (name, value) pairs.
        texts: sentences.
        tables: file stem -> table.
        plots: figures.
        folds: plans.
        commands: command lines.
    """

    gist: str = ""
    facts: Sequence[tuple[str, str]] = ()
    texts: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    folds: Sequence[Fold] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class Section(Generic[Folders]):
    """A part of the page; every file of ``sections`` and ``comparisons`` defines one.

    Args:
        heading: of the part.
        order: parts stand in ascending order.
        needs: what the folder must hold, to be said where it does not.
        build: gives the content for a folder (or two), or None where there is nothing to show.
        leads: whether the sections after it are folded.
    """

    heading: str
    order: int
    needs: str
    build: Callable[Folders, Content | None]
    leads: bool = False
