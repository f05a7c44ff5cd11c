"""Rows of dots: one row per name, one dot per value, a word at the end of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bitknap.problems.names import cut, drawn

from .style import COLOURS, LONGEST, new_figure

_GOLDEN = 0.618034
"""Multiples of it, modulo 1, spread dots evenly."""


def dot_rows(
    rows: Mapping[str, Sequence[float]], words: Sequence[str], heading: str
) -> tuple[Figure, Axes]:
    """Draw the dots, slightly spread in height, the first row on top."""
    figure = new_figure(5.2, 1.0 + 0.27 * len(rows))
    axes = figure.subplots()
    for row, values in enumerate(rows.values()):
        axes.plot(
            values,
            [row + 0.5 * (k * _GOLDEN % 1 - 0.5) for k in range(len(values))],
            "o",
            color=COLOURS[0],
            alpha=0.45,
            markersize=4,
            markeredgewidth=0,
        )
    for row, word in enumerate([heading, *words], start=-1):
        axes.annotate(
            word, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [drawn(name) for name in cut(list(rows), LONGEST)])
    axes.tick_params(axis="y", length=0)
    return figure, axes
