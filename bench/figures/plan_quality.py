"""KL to the float network against average bits, a panel per network."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from .style import label_log, legend_below, line_style, side_by_side, styled

Panels = Mapping[str, Mapping[str, Mapping[float, float]]]
"""Network -> plan -> average bits -> KL."""


def draw_plan_quality(panels: Panels) -> Figure:
    """Draw every plan's KL by budget, both axes as they are read: bits, and KL by decades.

    Args:
        panels: what was measured.
    """
    names = list(dict.fromkeys(plan for plans in panels.values() for plan in plans))
    with styled():
        figure, axes = side_by_side(len(panels), names)
        for panel, (network, plans) in zip(axes, panels.items(), strict=True):
            values = [kl for points in plans.values() for kl in points.values() if kl > 0]
            panel.set_yscale("log")
            for name, points in plans.items():
                at = sorted(points)
                style = line_style(names.index(name))
                panel.plot(at, [points[bits] for bits in at], label=name, **style)
            if values:
                label_log(panel.yaxis, min(values), max(values))
            panel.set_title(network)
            panel.set_xlabel("bits per weight")
            panel.set_ylabel("KL to the float network, repaired")
        legend_below(figure)
    return figure
