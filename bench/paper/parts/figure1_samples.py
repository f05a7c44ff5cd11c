"""Figure 1: the estimate of Omega against the number of images, with its interval."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bitknap.problems import FloatArray, IntArray

from ...figures.style import PANEL, line_style, new_figure, styled
from ...report.base import Content, Panel, Plot, Section
from ...tables.table import Table
from ..study import Network, Study

BITS = 4
LAYERS = 4
LEVEL = 1.96
"""Half width of a 95 % interval in standard errors."""


def build(study: Study) -> Content:
    """Running means of the paper's criterion, each over its value from all images."""
    plots, printed = [], {}
    for name, network in study.networks.items():
        counts, ratio, half = running(network)
        layers = _layers(network)
        names = [network.table.layers[i].name for i in layers]
        caption = (
            f"{network.workload.title}: Omega of the paper's criterion at {BITS} bits from the "
            f"first images of a draw, over its value from all {counts[-1]:,}; the band is the 95 % "
            "interval by the standard error over images. Layers are spread evenly over the "
            "network."
        )
        data = Table(
            "Omega over its final value",
            ("images", *(f"{n}{end}" for n in names for end in ("", " half width"))),
            [
                [str(c), *(f"{v:.4f}" for i in layers for v in (ratio[k, i], half[k, i]))]
                for k, c in enumerate(counts)
            ],
        )
        figure = _draw(counts, ratio[:, layers], half[:, layers], names)
        panels = [
            Panel(_draw(counts, ratio[:, [i]], half[:, [i]], [layer], index))
            for index, (i, layer) in enumerate(zip(layers, names, strict=True))
        ]
        plots.append(Plot(f"figure1_{name}", caption, figure, panels, data))
        printed[f"figure1_{name}"] = _errors(name, counts, ratio, half)
    return Content(plots=plots, tables=printed)


def running(network: Network) -> tuple[IntArray, FloatArray, FloatArray]:
    """Numbers of images (P,), Omega over its final value and half widths, (P, L) each."""
    table = network.table
    terms = table.terms("fisher")[:, np.flatnonzero(table.bits == BITS)]
    powers = 2 ** np.arange(4, 30, dtype=np.int64)
    counts = np.append(powers[powers < len(terms)], len(terms))
    final = terms.mean(axis=0)
    means = np.array([terms[:c].mean(axis=0) for c in counts])
    errors = np.array([terms[:c].std(axis=0, ddof=1) / np.sqrt(c) for c in counts])
    return counts, means / final, LEVEL * errors / final


def _layers(network: Network) -> IntArray:
    count = len(network.table.layers)
    return np.unique(np.linspace(0, count - 1, LAYERS).round().astype(np.int64))


def _draw(
    counts: IntArray, ratio: FloatArray, half: FloatArray, names: list[str], first: int = 0
) -> Figure:
    with styled():
        figure = new_figure(*(PANEL if len(names) == 1 else (9.6, 3.4)))
        panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
        for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
            _panel(axes, first + index, counts, ratio[:, index], half[:, index])
            axes.set_title(name, fontsize=9.5)
        panels[0].set_ylabel("estimate / estimate from all images")
        figure.supxlabel("images", fontsize=9.5)
    return figure


def _panel(axes: Axes, index: int, counts: IntArray, ratio: FloatArray, half: FloatArray) -> None:
    style = line_style(index)
    axes.axhline(1, color="#555555", linewidth=1, linestyle=(0, (6, 3)))
    axes.fill_between(counts, ratio - half, ratio + half, color=style["color"], alpha=0.2, lw=0)
    axes.plot(counts, ratio, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts[::2], [str(c) for c in counts[::2]])
    axes.minorticks_off()


def _errors(name: str, counts: IntArray, ratio: FloatArray, half: FloatArray) -> Table:
    """Over all layers: how far the estimate is from the final one, and its half width."""
    off = np.abs(ratio - 1)
    return Table(
        f"{name}: error of the estimate at {BITS} bits over all layers, %",
        ("images", "median distance", "largest distance", "median half width"),
        [
            [f"{c:,}", *(f"{100 * v:.1f}" for v in (np.median(off[k]), off[k].max(),
                                                    np.median(half[k])))]
            for k, c in enumerate(counts)
        ],
        notes=("Distance from the estimate with all images, which contains the first ones.",),
        text_columns=0,
    )  # fmt: skip


SECTION = Section("Figure 1: images needed", 20, "per-sample scores", build)
