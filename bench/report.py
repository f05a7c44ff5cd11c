"""The page of a run: one self-contained HTML file that works from file://."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from matplotlib.figure import Figure

from .figures.style import svg_text
from .grids import Grid


@dataclass(frozen=True)
class Drawing:
    """A figure as inline SVG, with the sentence below it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    heading: str
    texts: Sequence[str] = ()
    figures: Sequence[Drawing] = ()
    grids: Sequence[Grid] = ()


@dataclass(frozen=True)
class Page:
    """All that a page shows.

    Args:
        title: its heading.
        lead: one sentence below it.
        facts: (name, value) pairs on what was run, on what, with what.
        sections: in order.
        command: the command line that reproduces the page.
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    command: str


def inline(figure: Figure, name: str, caption: str) -> Drawing:
    """A figure for a page; ``name`` keeps its ids apart from those of other figures."""
    svg = svg_text(figure)
    svg = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)
    label = caption.replace('"', "'")
    return Drawing(svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1), caption)


def render(page: Page) -> str:
    """The page as HTML text."""
    source = files("bitknap.bench").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source).render(**vars(page))
