"""From folders to the page and its files; one code path for all that a report shows."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bitknap.problems import Catalogue, DataError, write_atomically
from bitknap.problems.storage import only_writer

from ..figures.style import save
from ..tables.latex import latex
from . import COMPARISONS, SECTIONS
from .base import Content, Fold, Panel, Plot, Section
from .inline import inline
from .page import Figure, Page, Part, Plan, render
from .source import Source, open_source

PAGE = "report.html"


def write_report(
    folder: Path,
    other: Path | None = None,
    out: Path | None = None,
    only: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """Write the page of a folder, or of two compared, with all figures and tables as files.

    Args:
        folder: of `bitknap run` or of a benchmark.
        other: of the same, to compare with; then nothing else is shown.
        out: the page (``*.html``) or a folder for it, where ``figures`` and ``tables`` are
            written too; by default the folder itself.
        only: names of the sections to show; by default all.
        say: told what is done.

    Returns:
        The path of the page.

    Raises:
        DataError: a folder has nothing to show, or nothing that was asked for.
        UnsupportedError: there is no such section.
    """
    catalogue = SECTIONS if other is None else COMPARISONS
    for name in only:
        catalogue.require(name)
    first = open_source(folder, say)
    page = page_path(folder, other, out)
    if other is None:
        command = ["bitknap", "report", str(folder)]
        title, lead = first.title, first.lead
        sources: tuple[Source, ...] = (first,)
    else:
        second = open_source(other)
        command = ["bitknap", "report", str(folder), str(other)]
        title = f"{second.path.name} against {first.path.name}"
        lead = f"A is {first.path} ({first.title}); B is {second.path} ({second.title})."
        sources = first, second
    contents = build_contents(catalogue, sources, only, say)
    absent = [(section.heading, section.needs) for _, section, found in contents if found is None]
    if len(absent) == len(contents):
        raise DataError(
            f"{' and '.join(str(s.path) for s in sources)}: nothing to show; "
            + "; ".join(f"{heading} needs {needs}" for heading, needs in absent)
        )
    write_page(page, title, lead, contents, shlex.join(command))
    return page


Contents = Sequence[tuple[str, Section[Any], Content | None]]
"""Name, section and what it shows, in the order of the page."""


def build_contents(
    catalogue: Catalogue,
    sources: Sequence[Any],
    only: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Contents:
    """What every section of a catalogue shows of the sources."""
    found, sections = [], list(_sections(catalogue, only))
    for number, (name, section) in enumerate(sections, 1):
        say(f"drawing {section.heading.lower()}: {number} of {len(sections)}")
        found.append((name, section, section.build(*sources)))
    return found


def write_page(page: Path, title: str, lead: str, contents: Contents, command: str) -> None:
    """Write a page, and all its figures and tables as files beside it.

    Args:
        page: its path.
        title: its heading.
        lead: one sentence below it.
        contents: what its sections show.
        command: what draws a figure again, with ``--section NAME`` added.
    """
    parts, absent, folded = [], [], False
    with only_writer(page.parent, ".report.lock"):
        for name, section, content in contents:
            if content is None:
                absent.append((section.heading, section.needs))
            else:
                _save_files(content, page.parent)
                parts.append(_part(name, section, content, command, page.parent, folded=folded))
                folded = folded or section.leads
        write_atomically(page, render(Page(title, lead, parts, absent)))


def page_path(folder: Path, other: Path | None, out: Path | None) -> Path:
    """Where the page is written: to ``out``, or into the first folder."""
    if out is None:
        out = folder if other is None else folder / f"against-{other.resolve().name}"
    return out if out.suffix == ".html" else out / PAGE


def _sections(catalogue: Catalogue, only: Sequence[str]) -> Iterator[tuple[str, Section[Any]]]:
    """Name and section, in the order of the page."""
    names = only or catalogue.names()
    found = {name: catalogue.load(name) for name in names}
    yield from sorted(found.items(), key=lambda pair: (pair[1].order, pair[0]))


def _part(
    name: str, section: Section[Any], content: Content, report: str, folder: Path, *, folded: bool
) -> Part:
    def figure(plot: Plot) -> Figure:
        panels = plot.panels or (Panel(plot.figure),)
        drawings = [
            inline(panel, f"{plot.name}-{number}", plot.caption)
            for number, panel in enumerate(panels)
        ]
        command = plot.command or f"{report} --section {name}"
        kinds = ("png", "svg", "pdf") if plot.data is None else ("png", "svg", "pdf", "csv")
        files = {kind: f"figures/{plot.name}.{kind}" for kind in kinds}
        return Figure(plot.name, drawings, plot.caption, files, command, plot.wide)

    def plan(number: int, fold: Fold) -> Plan:
        drawing = inline(fold.panel, f"{name}-{number}", fold.title)
        file = os.path.relpath(fold.file, folder)
        return Plan(fold.title, drawing, fold.texts, fold.copied, file, fold.open)

    return Part(
        name=name,
        heading=section.heading,
        gist=content.gist,
        folded=folded,
        facts=content.facts,
        texts=content.texts,
        figures=[figure(plot) for plot in content.plots],
        tables=list(content.tables.items()),
        plans=[plan(number, fold) for number, fold in enumerate(content.folds)],
        commands=content.commands,
    )


def _save_files(content: Content, folder: Path) -> None:
    for plot in content.plots:
        save(plot.figure, folder / "figures" / plot.name)
        if plot.data is not None:
            write_atomically(folder / "figures" / f"{plot.name}.csv", plot.data.to_csv())
    for name, table in content.tables.items():
        write_atomically(folder / "tables" / f"{name}.csv", table.to_csv())
        write_atomically(folder / "tables" / f"{name}.tex", latex(table))
