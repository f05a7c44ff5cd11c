"""The printed tables of a run: solvers, objectives, accuracies."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bitknap.plans.repair.base import NONE
from bitknap.solvers import Status, load_solver, relative_gap

from ..measures.gap import above_optimum
from ..tables.table import Table, percent
from ..workloads.accuracy import Difference

if TYPE_CHECKING:
    from ..workloads.accuracy import Accuracy
    from .evaluation import Evaluation
    from .results import Results


def solver_table(results: Results) -> Table:
    """How each solver did over all instances: proofs, gap to the optimum, milliseconds."""
    rows = []
    for name in results.asked.solvers:
        found = [results.solutions[m, b, name] for m, b in results.instances]
        gaps = [
            above_optimum(s.objective, results.best(m, b).objective or 0.0)
            for (m, b), s in zip(results.instances, found, strict=True)
            if s.objective is not None
        ]
        millis = [1000 * s.seconds for s in found]
        proven = sum(s.status is Status.OPTIMAL for s in found)
        rows.append(
            [
                name,
                "exact" if load_solver(name).exact else "heuristic",
                f"{proven}/{len(found)}",
                percent(statistics.fmean(gaps) if gaps else None),
                percent(max(gaps, default=None)),
                f"{statistics.median(millis):.2f}",
                f"{max(millis):.2f}",
            ]
        )
    seconds = results.asked.time_limit
    limit = "" if seconds is None else f", limited to {seconds:g} s"
    return Table(
        f"Solvers over {len(results.instances)} instances",
        ("solver", "kind", "proven", "mean above", "worst above", "median ms", "worst ms"),
        rows,
        notes=(
            "Above: how far the choice is above the optimum, both recomputed from the instance. "
            f"One solve each{limit}; the import of a back-end is not counted.",
            agreement(results),
            f"{results.proved} of {len(results.instances)} optima proved again by the independent "
            "checker, in integers, from instance and solution alone.",
        ),
        text_columns=2,
    )


def agreement(results: Results) -> str:
    """Whether all proven optima of each instance agree, as a sentence."""
    worst = 0.0
    for metric, budget in results.instances:
        found = [results.solutions[metric, budget, name] for name in results.asked.solvers]
        values = [s.objective for s in found if s.status is Status.OPTIMAL]
        costs = [v for v in values if v is not None]
        if costs:
            worst = max(worst, abs(relative_gap(max(costs), min(costs))))
    if worst <= 1e-12:
        return "All proven optima agree on every instance (1e-12 relative)."
    return f"Proven optima differ by up to {worst:.1e} relative, by a back-end's tolerance."


def objective_table(results: Results) -> Table:
    """The objective of every solver on every instance."""
    rows = []
    for metric, budget in results.instances:
        best = results.best(metric, budget)
        for name in results.asked.solvers:
            s = results.solutions[metric, budget, name]
            above = (
                None if s.objective is None else above_optimum(s.objective, best.objective or 0.0)
            )
            rows.append(
                [
                    metric,
                    budget,
                    name,
                    s.status.value,
                    "-" if s.objective is None else f"{s.objective:.9g}",
                    percent(above),
                    f"{1000 * s.seconds:.2f}",
                ]
            )
    return Table(
        "Every solve",
        ("metric", "budget", "solver", "status", "objective", "above the optimum", "ms"),
        rows,
        text_columns=4,
    )


def optimum_table(results: Results) -> Table:
    """Predicted loss increase of the optimum at every budget, and how far the greedy is."""
    greedy = "greedy" if "greedy" in results.asked.solvers else None
    rows = []
    for metric, budget in results.instances:
        best = results.best(metric, budget)
        row = [metric, budget, f"{best.objective:.6g}"]
        if greedy is not None:
            cost = results.solutions[metric, budget, greedy].objective
            row += (
                ["-", "-"]
                if cost is None
                else [f"{cost:.6g}", percent(above_optimum(cost, best.objective or 0.0))]
            )
        rows.append(row)
    columns = ["metric", "budget", "optimum"] + (["greedy", "greedy above it"] if greedy else [])
    return Table(
        "Objective: predicted loss increase, in each metric's own unit",
        columns,
        rows,
        text_columns=2,
    )


def accuracy_table(results: Results, repair: str = NONE) -> Table:
    """Measured accuracy by metric and budget, beside the controls, under one repair."""
    budgets = [b.text for b in results.asked.budgets]
    series, controls = _series(results, repair)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    rows = [
        [name, *(f"{100 * _mean(found[b], _share):.2f}" if b in found else "-" for b in budgets)]
        for name, found in (series | controls).items()
    ]
    rows.append(["float", *[f"{100 * whole.value:.2f}"] * len(budgets)])
    shown = [a for found in (series | controls).values() for group in found.values() for a in group]
    error = 100 * max(a.standard_error for a in [whole, *shown])
    notes = [
        f"Test accuracy in %, {whole.total:,} samples; its standard error is at most {error:.2f}.",
        "uniform: the largest single choice within the budget"
        + ("; random: mean of the draws." if "random" in controls else "."),
        *results.asked.notes,
        *_losses(series, controls),
        *_greedy_above(results.asked.metrics, series),
    ]
    columns = ("plan", *map(short_budget, budgets))
    return Table(f"Measured accuracy {_state(repair)}, %, by budget", columns, rows, notes=notes)


def short_budget(budget: str) -> str:
    """A budget as headings show it, e.g. ``3 bits``."""
    return f"{budget} bits" if budget[-1].isdigit() and budget[0] != "w" else budget


def _losses(series: Series, controls: Series) -> list[str]:
    """A sentence for every plan that is clearly below a control."""
    found = []
    for name, own in series.items():
        for control, others in controls.items():
            for budget in own.keys() & others.keys():
                differences = [own[budget][0].minus(other) for other in others[budget]]
                value = statistics.fmean(d.value for d in differences)
                if Difference(value, max(d.error for d in differences)).level or value > 0:
                    continue
                found.append(
                    f"{name} at {short_budget(budget)} ({own[budget][0]}) loses to {control} "
                    f"({100 * _mean(others[budget], _share):.2f} %)."
                )
    return sorted(found) or ["No plan is below a control by more than the noise."]


def _greedy_above(metrics: Sequence[str], series: Series) -> list[str]:
    """Where the greedy's plan is more accurate than the optimum of the same metric."""
    above = [
        series[f"{metric} (greedy)"][budget][0].minus(best[0])
        for metric in metrics
        if f"{metric} (greedy)" in series
        for budget, best in series[f"{metric} (optimum)"].items()
        if budget in series[f"{metric} (greedy)"]
    ]
    if not above:
        return []
    higher = [d for d in above if d.value > 0]
    clear = sum(not d.level for d in higher)
    return [
        "The greedy's plan is more accurate than the optimum of the same metric in "
        f"{len(higher)} of {len(above)} cases, in {clear} of them by more than the noise."
    ]


def last_repair(results: Results) -> str:
    """The repair of the job, ``none`` where nothing was repaired."""
    return next((m.repair for m in results.measured if m.repair != NONE), NONE)


def _state(repair: str) -> str:
    return "as quantized" if repair == NONE else "repaired"


def measure_tables(results: Results) -> dict[str, Table]:
    """What else the workload measured, such as perplexity: one table per measure, by its name."""
    budgets, repair = [b.text for b in results.asked.budgets], last_repair(results)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    series, controls = _series(results, repair)
    tables = {}
    for name in whole.measures:
        value = _measure(name)
        rows = [
            [plan, *(f"{_mean(found[b], value):.4g}" if b in found else "-" for b in budgets)]
            for plan, found in (series | controls).items()
        ]
        rows.append(["float", *[f"{whole.measures[name]:.4g}"] * len(budgets)])
        title = f"{name[0].upper()}{name[1:]} {_state(repair)}, by budget"
        tables[name] = Table(title, ("plan", *map(short_budget, budgets)), rows)
    return tables


Value = Callable[["Accuracy"], float]
Series = dict[str, dict[str, list["Accuracy"]]]
"""Plan -> budget -> its accuracies, of random plans one for each draw."""


def _share(accuracy: Accuracy) -> float:
    return accuracy.value


def _measure(name: str) -> Value:
    return lambda accuracy: accuracy.measures[name]


def _mean(accuracies: Sequence[Accuracy], value: Value) -> float:
    return statistics.fmean(map(value, accuracies))


def _series(results: Results, repair: str) -> tuple[Series, Series]:
    """Accuracies by budget of the recommended and every metric's plans, and of the controls."""
    plans = {"recommended": ("recommended", "")}
    plans |= {
        f"{metric} ({solver})": (metric, solver)
        for metric in results.asked.metrics
        for solver in ("optimum", "greedy")
    }
    series = {name: _by_budget(results, *plan, repair) for name, plan in plans.items()}
    uniform = {
        budget.text: [found.accuracy]
        for budget in results.asked.budgets
        if (found := uniform_within(results, budget.text, repair)) is not None
    }
    controls = {"uniform": uniform, "random": _by_budget(results, "random", "", repair)}
    return _filled(series), _filled(controls)


def _filled(series: Series) -> Series:
    return {name: found for name, found in series.items() if found}


def _by_budget(results: Results, plan: str, solver: str, repair: str) -> dict[str, list[Accuracy]]:
    found: dict[str, list[Accuracy]] = {}
    for m in results.measured:
        if (m.plan, m.solver, m.repair) == (plan, solver, repair):
            found.setdefault(m.budget, []).append(m.accuracy)
    return found


def uniform_within(results: Results, budget: str, repair: str) -> Evaluation | None:
    """The largest uniform choice that fits a budget; None for a budget that is a damage."""
    instance = results.instances.get((results.asked.metrics[0], budget))
    if instance is None:
        return None
    table = results.table
    fits = [
        m
        for m in results.measured
        if (m.plan, m.repair) == ("uniform", repair)
        and instance.is_feasible(instance.from_labels(dict(m.allocation)))
    ]
    return max(
        fits,
        key=lambda m: tuple(
            int(c[table.positions(m.allocation)].sum()) for c in table.costs.values()
        ),
        default=None,
    )
