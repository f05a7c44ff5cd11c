"""Predicted loss of the optimum at every size: the frontier, to be read off point by point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from bitknap.problems import IntArray
from bitknap.solvers.frontier import Frontier, frontier

from ...figures.predicted_loss import (
    MetricPrediction,
    draw_predicted_loss,
    draw_prediction,
)
from ...job.evaluation import Evaluation
from ...job.results import Results
from ...job.tables import optimum_table
from ...tables.table import Table
from ..base import Content, Mark, Panel, Plot, Section
from ..source import Source

SHOWN = 300
"""Points of a frontier that can be read off; the line shows all."""

CAPTION = (
    "Predicted loss increase of the optimum at every size, the greedy's plans at the budgets and "
    "the uniform choices (labels). Each metric has its own unit: compare shapes, not heights."
)


class ReadablePlan(NamedTuple):
    """A plan that can be read off the figure; ``label`` is that of a uniform one."""

    kind: Literal["frontier", "optimum", "greedy", "uniform"]
    title: str
    choice: IntArray
    label: str = ""


@dataclass(frozen=True)
class FrontierCurve:
    """The frontier of one metric, with what was measured of the run."""

    results: Results
    metric: str
    frontier: Frontier

    def average(self, usage: float) -> float:
        """Bits per weight of a size in bits, scales apart."""
        return (usage - self.results.table.overhead_bits) / self.results.table.weights

    def points(self) -> Iterator[ReadablePlan]:
        """The plans that can be read off, by size within each kind."""
        results, instance = self.results, self.frontier.instance
        at = set(np.linspace(0, len(self.frontier) - 1, SHOWN).round().astype(int).tolist())
        best = {}
        for budget in results.asked.budgets:
            labels = results.best(self.metric, budget.text).labels
            if labels is not None:
                best[budget.text] = instance.from_labels(labels)
        known = {tuple(choice.tolist()) for choice in best.values()}
        for i in sorted(at):
            choice = self.frontier.choice(i)
            if tuple(choice.tolist()) not in known:
                yield ReadablePlan("frontier", "optimum", choice)
        for text, choice in best.items():
            yield ReadablePlan("optimum", f"optimum at {text}", choice)
        for budget in results.asked.budgets:
            greedy = results.solutions.get((self.metric, budget.text, "greedy"))
            if greedy is not None and greedy.labels is not None:
                choice = instance.from_labels(greedy.labels)
                yield ReadablePlan("greedy", f"greedy at {budget.text}", choice)
        for label in results.table.choices:
            choice = instance.from_labels(results.table.uniform(label))
            yield ReadablePlan("uniform", f"uniform {label}", choice, label)

    def prediction(self) -> MetricPrediction:
        """What the figure draws."""
        found: dict[str, list[tuple[float, float]]] = {"frontier": [], "optimum": [], "greedy": []}
        uniform = []
        for plan in self.points():
            place = (self.size(plan.choice), self.frontier.instance.objective(plan.choice))
            if plan.kind == "uniform":
                uniform.append((*place, plan.label))
            else:
                found[plan.kind].append(place)
        return MetricPrediction(
            [self.average(usage) for usage in self.frontier.usage.tolist()],
            self.frontier.objective.tolist(),
            found["greedy"],
            found["optimum"],
            uniform,
        )

    def size(self, choice: IntArray) -> float:
        """Bits per weight of a choice."""
        return self.average(int(self.frontier.instance.usage(choice)[0]))

    def marks(self, measured: Mapping[tuple[str, ...], Evaluation]) -> list[Mark]:
        """The points with all that is known of them; ``measured`` by the choices of the layers."""
        instance, weights = self.frontier.instance, self.results.table.weights
        found = []
        for plan in self.points():
            labels = tuple(instance.by_label(plan.choice).values())
            size, loss = self.size(plan.choice), instance.objective(plan.choice)
            values = {
                "plan": plan.title,
                "size": f"{size:.4f} bits per weight, {size * weights / 8000:,.2f} kB of codes",
                "predicted loss": f"{loss:.6g}",
            }
            row = measured.get(labels)
            if row is not None:
                low, high = row.accuracy.interval
                values["measured accuracy"] = (
                    f"{row.accuracy} ({100 * low:.2f} to {100 * high:.2f})"
                )
                values |= {f"measured {k}": f"{v:.5g}" for k, v in row.accuracy.measures.items()}
            values["bits by layer"] = " ".join(labels)
            found.append(Mark(size, loss, values))
        return found


def build(source: Source) -> Content | None:
    """One panel per metric."""
    results = source.results
    if results is None:
        return None
    table = results.table
    largest = int(np.maximum.reduceat(table.costs["size_bits"], table.offsets[:-1]).sum())
    curves = [
        FrontierCurve(results, metric, frontier(table.to_instance(metric, largest)))
        for metric in results.asked.metrics
    ]
    measured = {tuple(m.allocation.values()): m for m in results.measured if m.allocation}
    predictions = {curve.metric: curve.prediction() for curve in curves}
    marks = {curve.metric: curve.marks(measured) for curve in curves}
    kilobytes = table.weights / 8000
    names = [layer.name for layer in table.layers]
    plot = Plot(
        "frontier",
        CAPTION,
        draw_predicted_loss(predictions, kilobytes),
        panels=[
            Panel(draw_prediction(metric, data, kilobytes), marks[metric], layers=names)
            for metric, data in predictions.items()
        ],
        data=_numbers(marks),
    )
    texts = [_size(curve) for curve in curves]
    if any(len(budget.limits(table)) > 1 for budget in results.asked.budgets):
        texts.append(
            "The line limits the size alone; an optimum whose budget also limits bit operations "
            "may lie above it."
        )
    return Content(
        gist=f"{len(curves[0].frontier):,} plans that no other beats in size and loss",
        texts=texts,
        plots=[plot],
        tables={"optima": optimum_table(results)},
    )


def _size(curve: FrontierCurve) -> str:
    found = curve.frontier
    extent = "exact" if found.exact else f"within {found.tolerance:.3g}, too many states for all"
    return (
        f"{curve.metric}: {len(found):,} undominated plans ({extent}), "
        f"{int(found.supported.sum()):,} on the convex hull."
    )


def _numbers(marks: Mapping[str, list[Mark]]) -> Table:
    names = list(
        dict.fromkeys(name for group in marks.values() for m in group for name in m.values)
    )
    rows = [
        [metric, repr(mark.x), repr(mark.y), *(mark.values.get(name, "") for name in names)]
        for metric, group in marks.items()
        for mark in group
    ]
    return Table("The frontier's points", ("metric", "average bits", "loss", *names), rows)


SECTION = Section("Predicted loss: the frontier", 20, "a sensitivity table (`bitknap run`)", build)
