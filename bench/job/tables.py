"""The printed tables of a run: solvers, objectives, accuracies."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bitknap.plans.repair.base import NONE
from bitknap.solvers import Status, load_solver, relative_gap

from ..tables.table import Table, percent

if TYPE_CHECKING:
    from ..workloads.base import Accuracy
    from .evaluation import Evaluation
    from .results import Results


def solver_table(results: Results) -> Table:
    """How each solver did over all instances: proofs, gap to the optimum, milliseconds."""
    rows = []
    for name in results.asked.solvers:
        found = [results.solutions[m, b, name] for m, b in results.instances]
        gaps = [
            relative_gap(s.objective, results.best(m, b).objective or 0.0)
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
        ("solver", "kind", "proven", "mean gap", "worst gap", "median ms", "worst ms"),
        rows,
        notes=(
            "Gap: (objective - optimum) / |objective|, both recomputed from the instance. "
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
            gap = None if s.objective is None else relative_gap(s.objective, best.objective or 0.0)
            rows.append(
                [
                    metric,
                    budget,
                    name,
                    s.status.value,
                    "-" if s.objective is None else f"{s.objective:.9g}",
                    percent(gap),
                    f"{1000 * s.seconds:.2f}",
                ]
            )
    return Table(
        "Every solve",
        ("metric", "budget", "solver", "status", "objective", "gap", "ms"),
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
                else [f"{cost:.6g}", percent(relative_gap(cost, best.objective or 0.0))]
            )
        rows.append(row)
    columns = ["metric", "budget", "optimum"] + (["greedy", "greedy's gap"] if greedy else [])
    return Table(
        "Objective: predicted loss increase, in each metric's own unit",
        columns,
        rows,
        text_columns=2,
    )


def accuracy_table(results: Results, repair: str = NONE) -> Table:
    """Measured accuracy by metric and budget, beside the controls, under one repair."""
    budgets = [b.text for b in results.asked.budgets]
    series, controls = _series(results, _share, repair)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    rows = [
        [name, *(f"{100 * values[b]:.2f}" if b in values else "-" for b in budgets)]
        for name, values in [*series, *controls]
    ]
    rows.append(["float", *[f"{100 * whole.value:.2f}"] * len(budgets)])
    losses = [
        f"{name} at {budget} ({100 * values[budget]:.2f} %) loses to {control} "
        f"({100 * reference[budget]:.2f} %)."
        for name, values in series
        for control, reference in controls
        for budget in budgets
        if budget in reference and budget in values and values[budget] < reference[budget]
    ]
    error = 100 * math.sqrt(0.25 / whole.total)
    notes = [
        f"Test accuracy in %, {whole.total:,} samples; its standard error is at most {error:.2f}.",
        "uniform: the largest single choice within the budget; random: mean of the draws.",
        *results.asked.notes,
        *(losses or ["No plan loses to a control at any budget."]),
    ]
    return Table(
        f"Measured accuracy {_state(repair)}, %, by budget", ("plan", *budgets), rows, notes=notes
    )


def recommended_table(results: Results) -> Table:
    """The recommended plan of each budget: size, accuracy repaired, and where it comes from."""
    repair = last_repair(results)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    uniform = _uniform(results, _share, repair)
    rows = []
    for budget, found in results.recommended.items():
        own = next(
            m
            for m in results.measured
            if (m.plan, m.budget, m.repair) == ("recommended", budget, repair)
        )
        table = results.table
        size = int(table.costs["size_bits"][table.positions(own.allocation)].sum())
        rows.append(
            [
                budget,
                f"{own.average_bits:.2f}",
                f"{size / 8000:.1f}",
                f"{32 / own.average_bits:.1f}x",
                f"{100 * own.accuracy.value:.2f}",
                f"{100 * uniform[budget]:.2f}" if budget in uniform else "-",
                f"{found.damage:.4f} ± {found.error:.4f}",
                found.source,
            ]
        )
    columns = ("budget", "bits", "kB", "smaller", "accuracy", "uniform", "damage", "from")
    notes = (
        f"Accuracy in %, {_state(repair)}; float {100 * whole.value:.2f}. uniform: the largest "
        "single choice within the budget.",
        "damage: mean divergence KL from the float network's outputs on the calibration samples "
        "(increase of the loss where outputs are no class scores). Plans: plans/BUDGET.json.",
    )
    return Table("Recommended plans", columns, rows, notes=notes)


def last_repair(results: Results) -> str:
    """The repair of the job, ``none`` where nothing was repaired."""
    return next((m.repair for m in results.measured if m.repair != NONE), NONE)


def _state(repair: str) -> str:
    return "as quantized" if repair == NONE else "repaired"


def measure_tables(results: Results) -> dict[str, Table]:
    """What else the workload measured, such as perplexity: one table per measure, by its name."""
    budgets, repair = [b.text for b in results.asked.budgets], last_repair(results)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    tables = {}
    for name in whole.measures:
        series, controls = _series(results, _measure(name), repair)
        rows = [
            [plan, *(f"{values[b]:.4g}" if b in values else "-" for b in budgets)]
            for plan, values in [*series, *controls]
        ]
        rows.append(["float", *[f"{whole.measures[name]:.4g}"] * len(budgets)])
        title = f"{name[0].upper()}{name[1:]} {_state(repair)}, by budget"
        tables[name] = Table(title, ("plan", *budgets), rows)
    return tables


Value = Callable[["Accuracy"], float]
Series = list[tuple[str, dict[str, float]]]


def _share(accuracy: Accuracy) -> float:
    return accuracy.value


def _measure(name: str) -> Value:
    return lambda accuracy: accuracy.measures[name]


def _series(results: Results, value: Value, repair: str) -> tuple[Series, Series]:
    """Values by budget of the recommended and every metric's plans, and of the controls."""
    best = _by_budget(results.measured, value, "recommended", repair=repair)
    series = [("recommended", best)] if best else []
    series += [
        (f"{metric} ({solver})", found)
        for metric in results.asked.metrics
        for solver in ("optimum", "greedy")
        if (found := _by_budget(results.measured, value, metric, solver, repair))
    ]
    controls = [
        ("uniform", _uniform(results, value, repair)),
        ("random", _by_budget(results.measured, value, "random", repair=repair)),
    ]
    return series, controls


def _by_budget(
    measured: Sequence[Evaluation],
    value: Value,
    plan: str,
    solver: str = "",
    repair: str = NONE,
) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for m in measured:
        if (m.plan, m.solver, m.repair) == (plan, solver, repair):
            values.setdefault(m.budget, []).append(value(m.accuracy))
    return {budget: statistics.fmean(v) for budget, v in values.items()}


def _uniform(results: Results, value: Value, repair: str) -> dict[str, float]:
    """Value at the largest uniform choice that fits each budget."""
    fits: dict[str, float] = {}
    table = results.table
    uniform = [m for m in results.measured if (m.plan, m.repair) == ("uniform", repair)]
    usage = {
        m.budget: {r: int(c[table.positions(m.allocation)].sum()) for r, c in table.costs.items()}
        for m in uniform
    }
    for budget in results.asked.budgets:
        limits = _limits(results, budget.text)
        within = [m for m in uniform if all(usage[m.budget][r] <= limits[r] for r in limits)]
        if within:
            fits[budget.text] = value(
                max(within, key=lambda m: tuple(usage[m.budget].values())).accuracy
            )
    return fits


def _limits(results: Results, budget: str) -> dict[str, int]:
    """Resource -> limit of a budget."""
    instance = results.instances[results.asked.metrics[0], budget]
    return dict(zip(instance.resources, instance.capacity.tolist(), strict=True))
