"""What the main job leaves behind: figures, tables as CSV, and the page."""

from __future__ import annotations

import statistics
from pathlib import Path

from matplotlib.figure import Figure

from bitknap.problems import write_atomically
from bitknap.solvers.frontier import frontier

from .environment import machine, versions
from .figures.accuracy_against_size import Point, draw_accuracy
from .figures.bits_by_layer import draw_bits_by_layer
from .figures.predicted_loss import Prediction, draw_predicted_loss
from .figures.style import save
from .grids import Grid, accuracy_grid, measure_grids, objective_grid, optimum_grid, solver_grid
from .job import Results
from .measurement import Measured
from .report import Page, Section, inline, render

CONTROLS = ("uniform", "random")

CAPTIONS = {
    "bits_by_layer": "Bits that the optimum of each metric gives each layer at each budget; "
    "dark cells have few bits.",
    "predicted_loss": "Predicted loss increase of the optimum at every size, the greedy's plans "
    "and the uniform bit-widths. Each metric has its own unit: compare shapes, not heights.",
    "accuracy": "Measured test accuracy of the optima, beside uniform bit-widths, random plans "
    "(mean of the draws) and the float network; bars are one standard error, for random plans one "
    "standard deviation of the draws.",
}


def write_outputs(results: Results, command: str) -> Path:
    """Write figures, CSV tables and ``report.html``; returns the page's path."""
    out = results.job.out
    grids = {
        "solvers": solver_grid(results),
        "optima": optimum_grid(results),
        "accuracy": accuracy_grid(results),
        "solves": objective_grid(results),
    }
    grids |= {n.replace(" ", "_"): grid for n, grid in measure_grids(results).items()}
    for name, grid in grids.items():
        write_atomically(out / "tables" / f"{name}.csv", grid.to_csv())
    figures = {
        "bits_by_layer": bits_figure(results),
        "predicted_loss": prediction_figure(results),
        "accuracy": accuracy_figure(results),
    }
    for name, figure in figures.items():
        save(figure, out / "figures" / name)
    page = out / "report.html"
    write_atomically(page, render(_page(results, grids, figures, command)))
    return page


def bits_figure(results: Results) -> Figure:
    """The map of bits of every metric's optimum."""
    names = [layer.name for layer in results.table.layers]
    plans = {}
    for metric, budget in results.instances:
        labels = results.best(metric, budget).labels
        assert labels is not None
        plans[f"{metric} {budget}"] = [int(labels[name]) for name in names]
    return draw_bits_by_layer(plans, names, results.table.bit_widths)


def prediction_figure(results: Results) -> Figure:
    """Predicted loss against size for every metric."""
    table = results.table
    weights, overhead = table.weights, table.overhead_bits

    def average(usage: int) -> float:
        return (usage - overhead) / weights

    predictions = {}
    for metric in results.job.metrics:
        whole = table.to_instance(metric, table.capacity(float(max(table.bit_widths))))
        curve = frontier(whole)
        points: dict[str, list[tuple[float, float]]] = {"greedy": [], "best": []}
        for budget in results.job.budgets:
            chosen = {"best": results.best(metric, budget.text)}
            if "greedy" in results.job.solvers:
                chosen["greedy"] = results.solutions[metric, budget.text, "greedy"]
            for kind, s in chosen.items():
                if s.usage is not None and s.objective is not None:
                    points[kind].append((average(int(s.usage[0])), s.objective))
        uniform = {
            bits: whole.objective(
                whole.from_labels({n: str(b) for n, b in table.uniform(bits).items()})
            )
            for bits in table.bit_widths
        }
        predictions[metric] = Prediction(
            [average(int(usage)) for usage in curve.usage],
            curve.objective.tolist(),
            points["greedy"],
            points["best"],
            uniform,
        )
    return draw_predicted_loss(predictions, weights / 8000)


def accuracy_figure(results: Results) -> Figure:
    """Measured accuracy against size; random plans by mean and standard deviation of the draws."""
    series: dict[str, list[Point]] = {name: [] for name in (*results.job.metrics, *CONTROLS)}
    whole = 0.0
    draws: dict[str, list[Measured]] = {}
    for m in results.measured:
        if m.plan == "float":
            whole = m.accuracy.value
        elif m.plan == "random":
            draws.setdefault(m.budget, []).append(m)
        elif m.solver != "greedy":
            point = Point(m.average_bits, m.accuracy.value, m.accuracy.standard_error)
            series[m.plan].append(point)
    for group in draws.values():
        values = [m.accuracy.value for m in group]
        bits = statistics.fmean(m.average_bits for m in group)
        series["random"].append(Point(bits, statistics.fmean(values), statistics.stdev(values)))
    return draw_accuracy(series, whole, results.job.workload.title)


def _page(
    results: Results, grids: dict[str, Grid], figures: dict[str, Figure], command: str
) -> Page:
    job, table = results.job, results.table
    drawn = {name: inline(fig, name, CAPTIONS[name]) for name, fig in figures.items()}
    weights = table.weights
    facts = [
        ("workload", job.workload.title),
        ("weights", f"{weights:,} in {len(table.layers)} layers"),
        ("candidate bits", ", ".join(map(str, table.bit_widths))),
        ("budgets", ", ".join(b.text for b in job.budgets)),
        ("calibration", f"{job.samples:,} training samples, seed {job.seed}"),
        ("quantizer", ", ".join(f"{k} {v}" for k, v in table.provenance["quantizer"].items())),
        ("machine", machine()),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions().items())),
    ]
    costs = Grid(
        "Cost of the metrics",
        ("metric", "seconds", "passes"),
        [
            [name, f"{cost['seconds']:.2f}", str(cost["passes"])]
            for name, cost in table.metric_cost.items()
        ],
        notes=("A pass is one forward or one backward over the samples.",),
    )
    return Page(
        title=f"Bits for every layer: {job.workload.title}",
        lead=f"Sensitivities by {', '.join(job.metrics)}; budgets of {facts[3][1]} solved exactly; "
        "accuracy measured on the test set.",
        facts=facts,
        sections=[
            Section(
                "Accuracy",
                figures=[drawn["accuracy"]],
                grids=[grids["accuracy"], *measure_grids(results).values()],
            ),
            Section("Bits by layer", figures=[drawn["bits_by_layer"]]),
            Section(
                "Predicted loss", figures=[drawn["predicted_loss"]], grids=[grids["optima"], costs]
            ),
            Section("Solvers", grids=[grids["solvers"], grids["solves"]]),
        ],
        command=command,
    )
