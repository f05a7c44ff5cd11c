"""All sensitivity metrics on the same draws: cost, agreement with measured loss, accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap, spearmanr

from bitknap.sensitivity import METRICS, SensitivityTable
from bitknap.sensitivity.metrics.measured import MeasuredMetric

from ..job.evaluation import Evaluation
from ..job.metric_comparison import SHUFFLED, Entry, MetricComparison, Tables
from ..tables.table import Table, digits
from ..workloads.loading import load_workload

WORKLOAD = "fashion-resnet18"
BITS = (2, 3, 4, 5, 6, 8)
BUDGETS = (2.25, 2.5, 3.0, 4.0)
SAMPLES = {
    **dict.fromkeys(("fisher", "mc_fisher", "logit_fisher", "first_order"), 1024),
    **dict.fromkeys(("weight_mse", "diag_fisher", "output_fisher"), 1024),
    **dict.fromkeys(("loss", "kl", "sqnr"), 512),
    "hessian": 256,
    **dict.fromkeys(("hawq", "hawq_v2", "pairwise"), 32),
}
"""Calibration samples per draw: fewer where a sample costs more."""
FEWEST = min(SAMPLES.values())
SCALE = 1024
"""Samples that the shown seconds are for."""
RESAMPLES = 2000
CONTROLS = ("uniform", "random", "shuffled")

Values = Sequence[float]


def study(quick: bool, folder: Path, say: Callable[[str], None]) -> Iterator[Table]:
    """Every metric on five calibration draws; two metrics, samples and draws when quick."""
    samples = {"fisher": 64, "weight_mse": 64} if quick else SAMPLES
    entries = {name: Entry(name, count) for name, count in samples.items()}
    if not quick:
        entries[f"fisher, {FEWEST} samples"] = Entry("fisher", FEWEST)
    comparison = MetricComparison(
        workload=load_workload(WORKLOAD, None),
        entries=entries,
        bits=(2, 4, 8) if quick else BITS,
        budgets=(3.0,) if quick else BUDGETS,
        seeds=range(2 if quick else 5),
        held_out=64 if quick else 2048,
        folder=folder / "quick" if quick else folder,
        say=say,
    )
    yield from compare(comparison)


def compare(comparison: MetricComparison) -> Iterator[Table]:
    """The tables of a comparison: cost and agreement, accuracy, differences from fisher."""
    tables = comparison.tables()
    yield agreement_table(comparison, tables, comparison.yardstick())
    accuracies = Accuracies(comparison, comparison.accuracies(tables))
    yield accuracy_table(accuracies)
    yield difference_table(accuracies)


def agreement_table(
    comparison: MetricComparison, tables: Tables, yardstick: SensitivityTable
) -> Table:
    """What each metric costs, and how it ranks items beside their measured loss and KL."""
    rows = []
    for name, (metric, samples) in comparison.entries.items():
        mine = [tables[name, seed] for seed in comparison.seeds]
        row = [name, str(samples), f"{mine[0].metric_cost[metric]['passes']:g}"]
        seconds = float(np.mean([_seconds(table, metric) for table in mine]))
        row.append(digits(seconds * SCALE / samples))
        for measured in ("loss", "kl"):
            truth = yardstick.omega[measured]
            ranks = [float(spearmanr(table.omega[metric], truth).statistic) for table in mine]
            row += [f"{np.mean(ranks):.3f}", _range(interval(ranks), ".3f")]
        rows.append(row)
    negative = float((yardstick.omega["loss"] < 0).mean())
    held = len(yardstick.scores["loss"])
    return Table(
        "Cost, and rank correlation with what quantizing one layer does",
        ("metric", "samples", "passes", f"s/{SCALE:,}", "loss", "95 %", "KL", "95 %"),
        rows,
        notes=(
            f"{len(comparison.seeds)} calibration draws; Spearman's rho over "
            f"{len(yardstick.labels)} (layer, bits) items, mean of the draws and percentile "
            "bootstrap interval over them.",
            f"Yardsticks: mean loss increase and KL to the float output with that item alone "
            f"quantized, on {held:,} training images outside every draw. {100 * negative:.0f} % of "
            "the loss increases are negative, so that the loss is a poor yardstick here.",
            f"s/{SCALE:,}: processor seconds of one thread for {SCALE:,} samples, in proportion to "
            "those taken; passes over the samples taken. loss, kl and sqnr share their runs.",
        ),
    )


@dataclass(frozen=True)
class Accuracies:
    """Accuracies in % by plan and budget, one per draw."""

    comparison: MetricComparison
    measured: Sequence[Evaluation]

    @cached_property
    def by_plan(self) -> Mapping[str, Mapping[float, Values]]:
        """Plan -> budget -> accuracies of the draws."""
        found: dict[str, dict[float, list[float]]] = {}
        for row in self.measured:
            if row.plan not in ("float", "uniform"):
                by_budget = found.setdefault(row.plan, {})
                by_budget.setdefault(float(row.budget), []).append(100 * row.accuracy.value)
        uniform = {int(r.budget): r for r in self.measured if r.plan == "uniform"}
        found["uniform"] = {
            budget: [100 * uniform[max(b for b in uniform if b <= budget)].accuracy.value]
            for budget in self.comparison.budgets
        }
        whole = next(row.accuracy for row in self.measured if row.plan == "float")
        found["float"] = {budget: [100 * whole.value] for budget in self.comparison.budgets}
        return found


def accuracy_table(accuracies: Accuracies) -> Table:
    """Mean accuracy and interval of every plan at every budget, and what loses to a control."""
    budgets, plans = accuracies.comparison.budgets, accuracies.by_plan
    controls = [name for name in CONTROLS if name in plans]
    order = [*(name for name in plans if name not in (*controls, "float")), *controls, "float"]
    rows = [[name, *(_cell(plans[name][budget]) for budget in budgets)] for name in order]
    total = accuracies.measured[0].accuracy.total
    return Table(
        "Measured accuracy of the exact optimum, %, by average bits",
        ("plan", *(f"{budget:g}" for budget in budgets)),
        rows,
        notes=(
            f"Mean of {len(accuracies.comparison.seeds)} calibration draws and 95 % percentile "
            "bootstrap interval over them: few draws, so the intervals are rough, and too narrow.",
            f"{total:,} test images: the binomial standard error of one accuracy is "
            f"{_binomial(85, total):.2f} at 85 % and {_binomial(94, total):.2f} at 94 %, and "
            "comes on top.",
            "with pairs: with terms between layers (measured, or fisher's s's/N), the best of 101 "
            "local optima under exchanges of two layers, not proven. All other optima are proven.",
            f"uniform: the largest one that fits; random: fills the budget; shuffled: {SHUFFLED}'s "
            "costs with the layers permuted, one draw each.",
            *(_losses(accuracies, order) or ["No metric loses to a control."]),
        ),
    )


def _losses(accuracies: Accuracies, order: Sequence[str]) -> list[str]:
    """Which metrics lose to which control at which budget, a sentence for each control."""
    found = []
    for budget in accuracies.comparison.budgets:
        means = {name: float(np.mean(accuracies.by_plan[name][budget])) for name in order}
        for control in (name for name in CONTROLS if name in means):
            losing = [
                f"{name} ({mean:.2f})"
                for name, mean in means.items()
                if name not in (*CONTROLS, "float") and mean < means[control]
            ]
            if losing:
                reference = f"{control} ({means[control]:.2f})"
                found.append(f"At {budget:g} bits these lose to {reference}: {', '.join(losing)}.")
    return found


def difference_table(accuracies: Accuracies) -> Table:
    """Accuracy above that of fisher's optimum, draw by draw."""
    budgets, plans = accuracies.comparison.budgets, accuracies.by_plan
    rows, better = [], []
    for name in plans:
        if name in (SHUFFLED, *CONTROLS, "float"):
            continue
        row = [name]
        for budget in budgets:
            gaps = np.subtract(plans[name][budget], plans[SHUFFLED][budget])
            low, high = interval(gaps.tolist())
            row.append(f"{gaps.mean():+.2f} {_range((low, high), '+.2f')}")
            if low > 0:
                better.append(f"{name} at {budget:g}")
        rows.append(row)
    return Table(
        f"Accuracy above that of {SHUFFLED}, points, by average bits",
        ("plan", *(f"{budget:g}" for budget in budgets)),
        rows,
        notes=(
            "Mean of the differences draw by draw and their 95 % percentile bootstrap interval.",
            f"Better than {SHUFFLED} with the whole interval above 0: "
            f"{', '.join(better) or 'none'}.",
        ),
    )


def interval(values: Values) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean; the value itself where there is one."""
    if len(values) < 2:
        return values[0], values[0]
    found = bootstrap(
        (np.array(values),),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def _seconds(table: SensitivityTable, metric: str) -> float:
    """Processor seconds; metrics that share their runs have those of all."""
    names = [metric]
    if isinstance(METRICS.load(metric), MeasuredMetric):
        names = [n for n in table.metrics if isinstance(METRICS.load(n), MeasuredMetric)]
    return sum(table.metric_cost[name]["cpu_seconds"] for name in names)


def _cell(values: Values) -> str:
    mean = f"{np.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} {_range(interval(values), '.2f')}"


def _range(bounds: tuple[float, float], form: str) -> str:
    return f"[{bounds[0]:{form}}, {bounds[1]:{form}}]"


def _binomial(percent: float, total: int) -> float:
    return float(np.sqrt(percent * (100 - percent) / total))
