"""What each layer costs at each number of bits, and which item the recommended plan takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitknap.problems import FloatArray
from bitknap.sensitivity.quantization.choices import by_size

from ...figures.sensitivities import draw_sensitivities
from ...figures.style import chunks
from ...job.plan_rows import plan_rows, preferred
from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Mark, Panel, Plot, Section
from ..source import Source

CAPTION = (
    "Predicted loss increase of every layer at every number of bits, on a logarithmic scale; "
    "framed: the recommended plan. Below, the size of the layers: a plan pays for dark cells and "
    "saves on tall bars."
)


def build(source: Source) -> Content | None:
    """One figure per metric: scores by bits and layer above the layers' sizes."""
    results = source.results
    if results is None:
        return None
    plots = [_plot(results, metric) for metric in results.asked.metrics]
    return Content(gist=_gist(results), plots=plots)


def _gist(results: Results) -> str:
    table, metric = results.table, results.asked.metrics[0]
    fewest = table.choices[0]
    scores = {
        layer.name: table.omega[metric][j]
        for i, layer in enumerate(table.layers)
        for j in range(table.offsets[i], table.offsets[i + 1])
        if table.labels[j] == fewest
    }
    most, total = max(scores, key=lambda name: scores[name]), sum(scores.values())
    share = f", {100 * scores[most] / total:.0f} % of all layers together" if total > 0 else ""
    return f"{most} loses most at {fewest} bits by {metric}{share}"


def _plot(results: Results, metric: str) -> Plot:
    table = results.table
    labels = sorted(set(table.labels), key=by_size)
    names = [layer.name for layer in table.layers]
    weights = [layer.numel for layer in table.layers]
    row_of = np.array([labels.index(label) for label in table.labels])
    score = np.full((len(labels), len(names)), np.nan)
    for i in range(len(names)):
        items = slice(table.offsets[i], table.offsets[i + 1])
        score[row_of[items], i] = table.omega[metric][items]
    errors = table.standard_error(metric) if metric in table.scores else None
    chosen, title = _chosen(results, labels), f"{metric}: predicted loss by bits and layer"

    def panel(part: slice) -> Panel:
        figure = draw_sensitivities(
            score[:, part], chosen[part], weights[part], names[part], labels, title
        )
        marks = [
            Mark(
                i - part.start + 0.5, float(row_of[j]) + 0.5, _values(results, metric, errors, i, j)
            )
            for i in range(part.start, part.stop)
            for j in range(table.offsets[i], table.offsets[i + 1])
        ]
        return Panel(figure, marks)

    return Plot(
        f"sensitivities_{metric}",
        CAPTION,
        draw_sensitivities(score, chosen, weights, names, labels, title),
        panels=list(map(panel, chunks(len(names)))),
        data=Table(
            "Sensitivities",
            ("layer", "bits", "predicted loss", "weights"),
            [
                [names[i], labels[k], repr(float(score[k, i])), str(weights[i])]
                for i in range(len(names))
                for k in range(len(labels))
                if not np.isnan(score[k, i])
            ],
        ),
        wide=True,
    )


def _chosen(results: Results, labels: Sequence[str]) -> list[int | None]:
    """Row of every layer's choice in the preferred plan; None where there is none."""
    if not results.recommended:
        return [None] * len(results.table.layers)
    plan = preferred(plan_rows(results)).plan.plan
    return [labels.index(plan[layer.name]) for layer in results.table.layers]


def _values(
    results: Results, metric: str, errors: FloatArray | None, layer: int, item: int
) -> dict[str, str]:
    table = results.table
    spread = "" if errors is None else f" ± {errors[item]:.2g}"
    return {
        "layer": table.layers[layer].name,
        "bits": table.labels[item],
        "predicted loss": f"{table.omega[metric][item]:.3g}{spread}",
        "size": f"{table.costs['size_bits'][item] / 8000:,.2f} kB",
    }


SECTION = Section("Sensitivities", 10, "a sensitivity table (`bitknap run`)", build)
