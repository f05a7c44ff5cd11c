"""The page: one self-contained HTML file that works from file://."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2

from bitknap.problems.names import shown_lines

from ..tables.table import Table
from .inline import Drawing

LONG = 16
"""Grids of more rows are folded; the first of a part has room for more."""
FIRST = 30


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Args:
        name: of its files.
        drawings: its panels.
        caption: the sentences below it.
        files: what it is written to, relative to the page: kind -> path.
        command: what draws it again.
        wide: whether readers scroll it sideways rather than let it shrink.
    """

    name: str
    drawings: Sequence[Drawing]
    caption: str
    files: Mapping[str, str]
    command: str
    wide: bool


@dataclass(frozen=True)
class Plan:
    """A plan of the page, as `base.Fold` with its figure drawn and its file relative to it."""

    title: str
    drawing: Drawing
    texts: Sequence[str]
    copied: str
    file: str
    open: bool


@dataclass(frozen=True)
class Part:
    """A section of the page, as `base.Content` with its figures drawn."""

    name: str
    heading: str
    gist: str
    folded: bool
    facts: Sequence[tuple[str, str]]
    texts: Sequence[str]
    figures: Sequence[Figure]
    tables: Sequence[tuple[str, Table]]
    plans: Sequence[Plan]
    commands: Sequence[str]


@dataclass(frozen=True)
class Page:
    """All that a page shows.

    Args:
        title: its heading.
        lead: one sentence below it.
        parts: in order.
        absent: (heading, what it needs) of the sections that the folder has no data for.
    """

    title: str
    lead: str
    parts: Sequence[Part]
    absent: Sequence[tuple[str, str]]


def render(page: Page) -> str:
    """The page as HTML text."""
    here = files("bitknap.bench.report")
    source, style, *scripts = (
        here.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html.j2", "page.css", "tables.js", "page.js")
    )
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown_lines(value) if type(value) is str else value,
    )
    return environment.from_string(source).render(
        **vars(page), style=style, scripts=scripts, long=LONG, first=FIRST
    )
