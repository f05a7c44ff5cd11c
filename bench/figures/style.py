"""One style for all figures: colour-blind safe, legible in greyscale, deterministic."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bitknap.problems import write_atomically
from bitknap.problems.names import cut, drawn

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#2F8FC8", "#B07A00", "#000000"),
    *("#882255", "#999933", "#332288"),
)
"""Okabe and Ito's palette, its two pale colours darker, and three of Tol's muted ones; all have a
contrast of 3 or more to white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))

LONGEST = 48
"""Letters of a layer's name along a map; longer ones are cut."""

PANEL = (4.6, 3.7)
"""Inches of a panel that stands beside others on a page."""

SETTINGS: dict[str, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "path",
    "svg.hashsalt": "bitknap",
    "pdf.fonttype": 42,
}


_POWER = r"$\mathdefault{"
"""How matplotlib begins the powers of ten on an axis, the only formulas in figures."""

_PIXELS = 60_000
"""Longest side of a picture; matplotlib draws none of 2^16."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the house settings, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in SETTINGS.items():
            mpl.rcParams[name] = value  # type: ignore[index]
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that belongs to no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def label_log(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis from ``low`` to ``high``, few enough not to touch."""
    decades = math.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def chunks(count: int, most: int = 28) -> list[slice]:
    """Parts of so many columns of a map, as even as can be, none of more than ``most``."""
    parts = -(-count // most)
    edges = [round(k * count / parts) for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the index-th series.

    Colours repeat after ten; marker and dashes tell the first 49 apart in greyscale too.
    """
    lap, i = divmod(index, len(MARKERS))
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[i],
        "linestyle": DASHES[(i + lap) % len(DASHES)],
    }


def new_map(columns: Sequence[str], width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure for a map, of so many inches a column, and a height without the names."""
    longest = max(map(len, columns))
    figure = new_figure(max(6.0, 1.9 + width * len(columns)), height + 0.07 * longest)
    return figure, figure.subplots()


def label_map(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Name the columns and rows of a map of unit cells, and take ticks, table and frame away."""
    axes.set_xticks(np.arange(len(columns)) + 0.5, list(map(drawn, columns)), rotation=90)
    axes.set_yticks(np.arange(len(rows)) + 0.5, list(map(drawn, cut(rows, LONGEST))))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def write_cell(axes: Axes, row: int, column: int, text: str, *, dark: bool, **font: Any) -> None:
    """Text in the middle of a map's unit cell, light where the cell is dark."""
    colour = "white" if dark else "black"
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, **font)


def save(figure: Figure, stem: Path) -> None:
    """Write ``stem.png``, ``.svg`` and ``.pdf`` atomically, the same bytes every time."""
    folder, name = stem.parent, stem.name
    write_atomically(folder / f"{name}.png", _rendered(figure, "png", {"Software": None}))
    write_atomically(folder / f"{name}.pdf", _rendered(figure, "pdf", {"CreationDate": None}))
    write_atomically(folder / f"{name}.svg", svg_text(figure))


def svg_text(figure: Figure) -> str:
    """The figure as SVG, the same text every time."""
    return _rendered(figure, "svg", {"Date": None}).decode()


def _rendered(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    for text in figure.findobj(Text):
        if not text.get_text().startswith(_POWER):
            text.set_text(drawn(text.get_text()))
    dpi = min(SETTINGS["savefig.dpi"], _PIXELS / max(figure.get_size_inches()))
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        engine = figure.get_layout_engine()
        if engine is not None:
            # Laid out once for all formats: it takes as long as to draw.
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi)
    return buffer.getvalue()


def side_by_side(count: int, labels: Collection[str]) -> tuple[Figure, list[Axes]]:
    """Panels in rows of at most three, with room for `legend_below` of these labels."""
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    width, height = PANEL
    lines = math.ceil(len(labels) / _legend_columns(columns * width, labels))
    figure = new_figure(columns * width, rows * height + 0.17 * lines)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def legend_below(figure: Figure) -> None:
    """One legend for all panels, from the first panel's lines and what the others add."""
    found: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        list(found.values()),
        list(found),
        loc="outside lower center",
        ncols=_legend_columns(figure.get_figwidth(), found),
        fontsize=8,
    )


def _legend_columns(width: float, labels: Collection[str]) -> int:
    """Columns of a legend with letters of 8 points that fit into so many inches."""
    longest = max(map(len, labels), default=1)
    return max(1, int(width / (0.55 + 0.06 * longest)))
