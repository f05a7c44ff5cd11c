"""Measured accuracy against size, for every metric and solver, beside the controls."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bitknap.plans.repair.base import NONE
from bitknap.sensitivity import METRICS

from ...figures.accuracy_against_size import (
    AccuracyCurve,
    Point,
    draw_accuracy,
)
from ...job.evaluation import Evaluation
from ...job.results import Results
from ...job.tables import accuracy_table, last_repair, measure_tables
from ...tables.table import Table
from ..base import Content, Mark, Panel, Plot, Section
from ..source import Source

CAPTION = (
    "Measured test accuracy of all plans, {state}, beside uniform bits and the float network "
    "(dashed). Filled: the exact optimum; hollow: the greedy. Bars are 95 % Wilson intervals over "
    "the test samples; those of random plans run from the lowest to the highest draw, around "
    "their mean. Plans more than 10 points below the float network are in the tables alone."
)
FIRST_SCREEN = {"recommended", "uniform", "float"}


def build(source: Source) -> Content | None:
    """The tables by budget; a figure, unless the first screen shows all plans."""
    results = source.results
    if results is None:
        return None
    facts = [(metric, METRICS.summary(metric)) for metric in results.asked.metrics]
    plots = [_plot(results)] if {m.plan for m in results.measured} - FIRST_SCREEN else []
    texts = [] if plots else ["bitknap run --full measures the plans of every metric, too."]
    printed = {n.replace(" ", "_"): table for n, table in measure_tables(results).items()}
    repairs = dict.fromkeys(m.repair for m in results.measured if m.plan != "float")
    tables = {
        "accuracy" if repair == NONE else "accuracy_repaired": accuracy_table(results, repair)
        for repair in reversed(repairs)
    }
    return Content(facts=facts, texts=texts, plots=plots, tables=tables | printed)


def _plot(results: Results) -> Plot:
    whole = next(m.accuracy.value for m in results.measured if m.plan == "float")
    repair = last_repair(results)
    curves = accuracy_curves(results, repair)
    marks = [_mark(results, curve, point) for curve in curves for point in curve.points]
    figure = draw_accuracy(curves, whole)
    lowest = figure.axes[0].get_ylim()[0]
    return Plot(
        "accuracy",
        CAPTION.format(state="as quantized" if repair == NONE else "repaired"),
        figure,
        panels=[Panel(figure, [mark for mark in marks if mark.y >= lowest])],
        data=numbers(curves),
    )


def accuracy_curves(results: Results, repair: str = NONE) -> list[AccuracyCurve]:
    """The recommended plans, each metric's and solver's, uniform bit-widths, random plans' mean."""
    asked = results.asked
    measured = [m for m in results.measured if m.repair == repair]
    best = [_point(m) for m in measured if m.plan == "recommended"]
    curves = [AccuracyCurve("recommended", best, len(asked.metrics) + 2)] if best else []
    for style, metric in enumerate(asked.metrics):
        for solver in ("optimum", "greedy"):
            rows = [m for m in measured if (m.plan, m.solver) == (metric, solver)]
            if rows:
                name = f"{metric} ({solver})"
                curves.append(
                    AccuracyCurve(name, list(map(_point, rows)), style, solver == "greedy")
                )
    uniform = [_point(m) for m in measured if m.plan == "uniform"]
    random = []
    for budget in asked.budgets:
        draws = [m for m in measured if (m.plan, m.budget) == ("random", budget.text)]
        random += [_mean(draws)] if draws else []
    style = len(asked.metrics)
    curves.append(AccuracyCurve("uniform", uniform, style))
    return [*curves, AccuracyCurve("random", random, style + 1)] if random else curves


def _point(m: Evaluation) -> Point:
    return Point(m.average_bits, m.accuracy.value, *m.accuracy.interval)


def _mean(draws: Sequence[Evaluation]) -> Point:
    values = [m.accuracy.value for m in draws]
    bits = statistics.fmean(m.average_bits for m in draws)
    return Point(bits, statistics.fmean(values), min(values), max(values))


def _mark(results: Results, curve: AccuracyCurve, point: Point) -> Mark:
    kilobytes = point.average_bits * results.table.weights / 8000
    return Mark(
        point.average_bits,
        100 * point.accuracy,
        {
            "plan": curve.name,
            "size": f"{point.average_bits:.3f} bits per weight, {kilobytes:,.1f} kB of codes",
            "accuracy": f"{100 * point.accuracy:.2f} % "
            f"({100 * point.low:.2f} to {100 * point.high:.2f})",
        },
    )


def numbers(curves: Sequence[AccuracyCurve]) -> Table:
    """The points of the curves."""
    return Table(
        "Accuracy against size",
        ("plan", "average bits", "accuracy", "low", "high"),
        [
            [curve.name, *(f"{v:.6g}" for v in (p.average_bits, p.accuracy, p.low, p.high))]
            for curve in curves
            for p in curve.points
        ],
    )


SECTION = Section("Metrics compared", 45, "measured accuracies (`bitknap run`)", build)
