"""Figures inside the page: SVG text, and the positions of the points that can be read off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bitknap.problems.names import shown

from ..figures.style import svg_text
from .base import Panel

POINTS_PER_INCH = 72
"""Units of matplotlib's SVG files."""


@dataclass(frozen=True)
class Drawing:
    """A panel as inline SVG.

    Args:
        svg: the element.
        width: its natural width in CSS pixels.
        marks: JSON of the points that can be read off, or empty.
    """

    svg: str
    width: int
    marks: str


def inline(panel: Panel, name: str, caption: str) -> Drawing:
    """A panel for a page; ``name`` keeps its ids apart from those of other figures."""
    label = panel.finding or caption
    svg = svg_text(panel.figure)
    svg = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', 1)
    width = round(panel.figure.get_figwidth() * POINTS_PER_INCH * 4 / 3)
    return Drawing(svg, width, placed(panel) if panel.marks else "")


def placed(panel: Panel) -> str:
    """The marks as JSON, in the units of the SVG that was drawn last.

    ``{"names": [[name, ..], ..], "marks": [[x, y, index of its names, [value, ..]], ..],
    "layers": [name, ..]}``.
    """
    figure, marks = panel.figure, panel.marks
    to_figure = figure.axes[0].transData + figure.transFigure.inverted()
    width, height = (POINTS_PER_INCH * inches for inches in figure.get_size_inches())
    names = list(dict.fromkeys(tuple(mark.values) for mark in marks))
    rows = []
    for mark in marks:
        x, y = to_figure.transform((mark.x, mark.y))
        place = [round(float(x * width), 1), round(float((1 - y) * height), 1)]
        rows.append([*place, names.index(tuple(mark.values)), list(mark.values.values())])
    found = {"names": names, "marks": rows, "layers": list(panel.layers)}
    return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")


def _attribute(text: str) -> str:
    return shown(text).replace("&", "&amp;").replace('"', "'").replace("<", "&lt;")
