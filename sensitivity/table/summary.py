"""A table as text, as a page's fragment, and as a data frame."""

from __future__ import annotations

import html
import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from bitknap.problems.errors import UnsupportedError
from bitknap.problems.sizes import kilobytes

if TYPE_CHECKING:
    from .table import SensitivityTable

SHOWN = 3
"""Layers that the summary names."""


def lines(table: SensitivityTable) -> list[tuple[str, str]]:
    """What a table holds, ten lines at most: heading and text."""
    sizes = table.costs["size_bits"]
    ends = [
        kilobytes(int(best.reduceat(sizes, table.offsets[:-1]).sum()))
        for best in (np.minimum, np.maximum)
    ]
    found = [
        ("layers", f"{len(table.layers)} with {table.weights:,} weights"),
        ("coverage", str(table.coverage)),
        ("choices", ", ".join(table.choices)),
        ("size", " to ".join(ends)),
    ]
    if table.metrics:
        samples = max((len(scores) for scores in table.scores.values()), default=0)
        of = f" ({samples:,} samples)" if samples else ""
        found.append(("metrics", ", ".join(table.metrics) + of))
        first = table.metrics[0]
        worst = np.maximum.reduceat(table.omega[first], table.offsets[:-1])
        names = [table.layers[i].name for i in np.argsort(-worst, kind="stable")[:SHOWN]]
        found.append(("most sensitive", f"{', '.join(names)} (by {first})"))
    spent = {n: c["cpu_seconds"] for n, c in table.metric_cost.items() if "cpu_seconds" in c}
    if spent:
        each = ", ".join(f"{name} {seconds:.3g}" for name, seconds in spent.items())
        found.append(("processor seconds", each))
    if table.ties:
        found.append(("ties", str(len(table.ties))))
    return found


def as_text(table: SensitivityTable) -> str:
    """The lines under a heading."""
    rows = lines(table)
    width = max(len(name) for name, _ in rows)
    return "\n".join(["SensitivityTable", *(f"  {name:<{width}}  {what}" for name, what in rows)])


def as_html(table: SensitivityTable) -> str:
    """The lines as a table, for notebooks."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(what)}</td></tr>"
        for name, what in lines(table)
    )
    return f"<table><caption>SensitivityTable</caption>{rows}</table>"


def as_frame(table: SensitivityTable) -> Any:
    """A pandas data frame, a row for each (layer, choice).

    Raises:
        UnsupportedError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise UnsupportedError("a data frame needs pandas; pip install pandas") from None
    layers = np.repeat(np.arange(len(table.layers)), np.diff(table.offsets))
    return pandas.DataFrame(
        {
            "layer": [table.layers[i].name for i in layers],
            "kind": [table.layers[i].kind for i in layers],
            "weights": [table.layers[i].numel for i in layers],
            "choice": list(table.labels),
            **table.costs,
            **table.omega,
        }
    )
