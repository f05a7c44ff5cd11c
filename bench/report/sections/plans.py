"""The answer: the recommended plan of every budget, beside float and uniform bits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitknap.problems import FloatArray

from ...figures.accuracy_against_size import AccuracyCurve, draw_labelled_accuracy
from ...figures.layer_strip import HIGHEST, Bar, draw_layer_strip, places
from ...figures.plan_overview import draw_plan_overview
from ...job.plan_rows import PlanRow, finding, plan_rows, plan_table, preferred
from ...job.results import Results, plan_path
from ...job.tables import last_repair, short_budget
from ..base import Content, Fold, Mark, Panel, Plot, Section
from ..resampled import SURE
from ..source import Source
from .accuracy import accuracy_curves, numbers

CAPTION = "Test accuracy against size, with 95 % intervals."


def build(source: Source) -> Content | None:
    """Finding, table, chart, and each plan layer by layer."""
    results = source.results
    if results is None or not results.recommended:
        return None
    rows = plan_rows(results)
    best = preferred(rows)
    shares = [_share(source, row) for row in rows]
    table = plan_table(results)
    if source.resampled:
        table = replace(
            table,
            columns=(*table.columns, "sure"),
            rows=[
                [*cells, "-" if share is None else f"{(share >= SURE).sum()} of {len(share)}"]
                for cells, share in zip(table.rows, shares, strict=True)
            ],
            notes=(*table.notes, _sure(source)),
        )
    said = finding(rows)
    whole = next(m.accuracy.value for m in results.measured if m.plan == "float")
    curves = plan_curves(results)
    share = shares[rows.index(best)]
    title = f"{best.average_bits:.2f} bits per weight: the bits of every layer"
    plot = Plot(
        "plans",
        CAPTION,
        draw_plan_overview(curves, whole, strip_bars(results, best, share), title),
        [Panel(draw_labelled_accuracy(curves, whole), finding=said)],
        numbers(curves),
    )
    folds = [
        _fold(results, row, share, opened=row is best)
        for row, share in zip(rows, shares, strict=True)
    ]
    return Content(texts=[said], tables={"recommended": table}, plots=[plot], folds=folds)


def plan_curves(results: Results) -> list[AccuracyCurve]:
    """The recommended plans and the uniform ones."""
    found = {c.name: c for c in accuracy_curves(results, last_repair(results))}
    return [replace(found[name], style=k) for k, name in enumerate(("recommended", "uniform"))]


def _share(source: Source, row: PlanRow) -> FloatArray | None:
    """(L,) share of the resamples that agree with a plan, by the first metric that has any."""
    for found in source.resampled.values():
        return found.share(row.budget, row.plan.plan)
    return None


def _sure(source: Source) -> str:
    metric = next(iter(source.resampled))
    return (
        f"sure: layers whose bits {100 * SURE:.0f} % or more of the resamples of the calibration "
        f"data give them too, by {metric}."
    )


def strip_bars(results: Results, row: PlanRow, share: FloatArray | None) -> list[Bar]:
    """The layers of a plan, as the strip draws them."""
    table = results.table
    bits = table.bits[table.positions(row.plan.plan)].tolist()
    sure = np.ones(len(bits)) if share is None else share
    return [
        Bar(row.plan.plan[layer.name], b, layer.numel, bool(s >= SURE))
        for layer, b, s in zip(table.layers, bits, sure, strict=True)
    ]


def _fold(results: Results, row: PlanRow, share: FloatArray | None, *, opened: bool) -> Fold:
    bars = strip_bars(results, row, share)
    left, width = places(bars)
    names = [layer.name for layer in results.table.layers]
    marks = [
        Mark(
            float(x + w / 2),
            min(bar.bits, HIGHEST),
            {"layer": name, "bits": bar.label, "weights": f"{bar.weights:,}"}
            | ({} if share is None else {"resamples that agree": f"{100 * share[i]:.0f} %"}),
        )
        for i, (name, bar, x, w) in enumerate(zip(names, bars, left, width, strict=True))
    ]
    figure = draw_layer_strip(bars)
    unsure = sum(not bar.sure for bar in bars)
    return Fold(
        title=f"{short_budget(row.budget)}: {row.size}, {row.own}"
        + (
            " (the smallest plan that is level with float)" if opened and row.to_float.level else ""
        ),
        panel=Panel(figure, marks, finding=_spoken(names, bars)),
        texts=_texts(row, unsure),
        copied=json.dumps(dict(row.plan.plan)),
        file=plan_path(results.out, row.budget),
        open=opened,
    )


def _texts(row: PlanRow, unsure: int) -> Sequence[str]:
    plan = row.plan
    text = (
        f"From {plan.source}; damage on the calibration data {plan.damage:.4f} ± {plan.error:.4f}"
    )
    if unsure:
        text += f"; hatched: {unsure} layers that the data do not settle"
    return [f"{text}."]


def _spoken(names: Sequence[str], bars: Sequence[Bar]) -> str:
    return "Bits by layer: " + ", ".join(
        f"{name} {bar.label}" for name, bar in zip(names, bars, strict=True)
    )


SECTION = Section("Plans", 0, "recommended plans (`bitknap run`)", build, leads=True)
