"""A frontier as JSON, CSV or a figure."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bitknap.problems import DataError, names, write_atomically

from .frontier import Frontier

FORMAT = "bitknap.frontier/1"
FIGURES = (".png", ".svg", ".pdf")


def to_dict(frontier: Frontier) -> dict[str, Any]:
    """The frontier as the JSON object ``bitknap.frontier/1``: columns of equal length."""
    return {
        "format": FORMAT,
        "instance": frontier.instance.name,
        "resource": frontier.instance.resources[0],
        "lowest": frontier.lowest,
        "highest": frontier.highest,
        "exact": frontier.exact,
        "tolerance": frontier.tolerance,
        "states": frontier.states,
        "usage": frontier.usage.tolist(),
        "objective": frontier.objective.tolist(),
        "supported": frontier.supported.tolist(),
    }


def to_json(frontier: Frontier) -> str:
    """The frontier as a ``bitknap.frontier/1`` document."""
    return json.dumps(to_dict(frontier)) + "\n"


def to_csv(frontier: Frontier) -> str:
    """One line per point: usage, objective, supported (1 or 0)."""
    rows = zip(
        map(str, frontier.usage.tolist()),
        map(repr, frontier.objective.tolist()),
        map(str, frontier.supported.astype(int).tolist()),
        strict=True,
    )
    return names.to_csv((frontier.instance.resources[0], "objective", "supported"), rows)


def plot(frontier: Frontier, path: str | Path, knees: int = 3) -> None:
    """Draw the staircase, the corners of its convex hull and the knees into a file.

    The objective has a logarithmic axis where it is positive and its span can be told from a
    point and from float64's. Same frontier, same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    target = Path(path)
    with (
        rc_context({"svg.hashsalt": "bitknap", "font.family": "DejaVu Sans"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        # Axes reach beyond what they show, so near the end of float64 the unit is larger.
        unit = 1.0 if np.abs(frontier.objective).max() < 1e300 else 1e300
        usage, objective = frontier.usage, frontier.objective / unit
        axes.step(usage, objective, where="post", linewidth=1, label="frontier")
        corners = frontier.supported
        axes.plot(usage[corners], objective[corners], ".", markersize=3, label="convex hull")
        at = frontier.knees(knees)
        if at:
            axes.plot(usage[at], objective[at], "o", fillstyle="none", label="knees")
        if objective[-1] > 0.0 and 1e-250 < objective[-1] / objective[0] < 1.0 - 1e-6:
            axes.set_yscale("log")
        axes.set_xlabel(names.drawn(names.shown(frontier.instance.resources[0])))
        axes.set_ylabel("objective" if unit == 1.0 else f"objective / {unit:g}")
        note = "" if frontier.exact else f" (within {frontier.tolerance:.2g})"
        axes.set_title(names.drawn(f"{names.shown(frontier.instance.name)}{note}"))
        axes.legend(frameon=False)
        buffer = io.BytesIO()
        fixed = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
        figure.savefig(buffer, format=target.suffix[1:], metadata=fixed[target.suffix], dpi=160)
    write_atomically(target, buffer.getvalue())


def write(frontier: Frontier, path: str | Path) -> None:
    """Write a frontier in the format that the file's ending names.

    Raises:
        DataError: the ending is none of .json, .csv, .png, .svg, .pdf.
    """
    ending = Path(path).suffix
    if ending == ".json":
        write_atomically(path, to_json(frontier))
    elif ending == ".csv":
        write_atomically(path, to_csv(frontier))
    elif ending in FIGURES:
        plot(frontier, path)
    else:
        raise DataError(
            f"{path}: a frontier is written as .json, .csv, .png, .svg or .pdf, not {ending!r}"
        )
