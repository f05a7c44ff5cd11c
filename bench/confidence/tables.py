"""What resampled plans show, as a JSON document, tables and the stability map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bitknap.problems import Instance
from bitknap.sensitivity.quantization.choices import by_size

from ..tables.table import Table, percent
from .bootstrap import Bootstrap
from .plan_comparison import PlanComparison, RobustPlan
from .resampled_plans import Confidence

FORMAT = "bitknap.confidence/1"

Plans = Mapping[str, tuple[Confidence, RobustPlan | None]]
"""Text of each budget -> its optimum, and its robust plan where one was asked for."""


def document(
    resampled: Bootstrap, plans: Plans, comparison: PlanComparison | None, level: float
) -> dict[str, Any]:
    """Everything found, as the JSON object ``bitknap.confidence/1``; equal runs, equal objects."""
    table = resampled.table
    omega, error = table.omega[resampled.metric], table.standard_error(resampled.metric)
    sensitivities = {
        layer.name: {
            table.labels[j]: {"omega": float(omega[j]), "standard_error": float(error[j])}
            for j in range(table.offsets[i], table.offsets[i + 1])
        }
        for i, layer in enumerate(table.layers)
    }
    return {
        "format": FORMAT,
        "metric": resampled.metric,
        "samples": resampled.samples,
        "resamples": resampled.resamples,
        "seed": resampled.seed,
        "level": level,
        "budgets": [
            {"budget": text} | _budget(plan, robust) for text, (plan, robust) in plans.items()
        ],
        "comparison": None if comparison is None else asdict(comparison),
        "sensitivities": sensitivities,
    }


def _budget(plan: Confidence, robust: RobustPlan | None) -> dict[str, Any]:
    instance = plan.instance
    labels = instance.by_label(plan.choice)
    layers = {
        name: {
            "choice": labels[name],
            "kept": float(plan.kept[i]),
            "share": {
                instance.labels[j]: float(plan.frequency[j])
                for j in range(instance.offsets[i], instance.offsets[i + 1])
                if plan.frequency[j]
            },
        }
        for i, name in enumerate(instance.class_names)
    }
    return {
        "capacity": int(instance.capacity[0]),
        "predicted_loss": plan.objective,
        "standard_error": plan.standard_error,
        "interval": list(plan.interval),
        "same_plan": plan.same,
        "excess": {
            "mean": float(plan.excess.mean()),
            "upper": float(np.quantile(plan.excess, 0.95)),
        },
        "settled_at": plan.settled_at,
        "prefixes": [asdict(prefix) for prefix in plan.prefixes],
        "layers": layers,
        "robust": None if robust is None else _robust(instance, robust),
    }


def _robust(instance: Instance, robust: RobustPlan) -> dict[str, Any]:
    return {
        "predicted_loss": robust.objective,
        "price": robust.price,
        "standard_error": robust.standard_error,
        "interval": list(robust.interval),
        "choice": instance.by_label(robust.choice),
    }


def summary_table(resampled: Bootstrap, plans: Plans, level: float) -> Table:
    """One row per budget: predicted loss, its interval, how often the plan stays."""
    rows = []
    for text, (plan, robust) in plans.items():
        rows.append([text, "optimum", *_loss(plan), percent(plan.same), _least(plan)])
        if robust is not None:
            moved = int((robust.choice != plan.choice).sum())
            price = _relative(robust.price, plan.objective)
            what = f"robust ({moved} layers differ, price {price})"
            rows.append([text, what, *_loss(robust), "-", "-"])
    return Table(
        f"Confidence of {resampled.metric}: {resampled.samples:,} samples, "
        f"{resampled.resamples:,} resamples, each solved exactly",
        (
            "budget",
            "plan",
            "predicted loss",
            "standard error",
            f"{100 * level:g} % interval",
            "same plan",
            "least sure layer",
        ),
        rows,
        notes=_sentences(plans),
        text_columns=2,
    )


def layer_table(plan: Confidence, budget: str, resampled: Bootstrap) -> Table:
    """One row per layer: its choice, how often it is kept, what else is chosen."""
    instance = plan.instance
    at = instance.positions(plan.choice)
    error = resampled.table.standard_error(resampled.metric)
    rows = []
    for i, name in enumerate(instance.class_names):
        span = range(instance.offsets[i], instance.offsets[i + 1])
        others = sorted((j for j in span if j != at[i]), key=lambda j: -plan.frequency[j])
        seen = [f"{instance.labels[j]}: {percent(plan.frequency[j])}" for j in others]
        rows.append(
            [
                name,
                instance.labels[at[i]],
                percent(plan.kept[i]),
                f"{instance.cost[at[i]]:.3g}",
                f"{error[at[i]]:.2g}",
                ", ".join(s for s, j in zip(seen, others, strict=True) if plan.frequency[j]),
            ]
        )
    return Table(
        f"Layers at {budget}",
        ("layer", "choice", "kept", "omega", "standard error", "chosen elsewhere"),
        rows,
    )


def prefix_table(plan: Confidence, budget: str) -> Table:
    """One row per number of first samples: layers that differ, excess."""
    rows = [
        [f"{p.samples:,}", str(p.changed), _relative(p.excess, plan.objective)]
        for p in plan.prefixes
    ]
    return Table(
        f"Plan of the first samples against the plan of all {plan.samples:,}, at {budget}",
        ("samples", "layers that differ", "excess predicted loss"),
        rows,
        text_columns=0,
    )


def comparison_sentence(found: PlanComparison, level: float) -> str:
    """What `compare` found, in one sentence."""
    low, high = found.interval
    return (
        f"Plan A (predicted loss {found.loss_a:.4g}) beats plan B ({found.loss_b:.4g}) with "
        f"probability {found.better:.3f}"
        + (f" and equals it with {found.equal:.3f}" if found.equal else "")
        + f"; {100 * level:g} % interval of the difference: {low:.3g} to {high:.3g}."
    )


def stability_map(plan: Confidence) -> tuple[NDArray[np.float64], list[int], list[str]]:
    """(rows, L) shares, each layer's chosen row, and the rows' labels, few bits first."""
    instance = plan.instance
    labels = sorted(set(instance.labels), key=by_size)
    rank = {label: row for row, label in enumerate(labels)}
    share = np.full((len(labels), len(instance)), np.nan)
    rows = np.array([rank[label] for label in instance.labels])
    share[rows, instance.class_of] = plan.frequency
    return share, rows[instance.positions(plan.choice)].tolist(), labels


def stability_figure(plan: Confidence, metric: str, budget: str) -> Figure:
    """The stability map of one budget."""
    from ..figures.confidence import draw_stability

    share, chosen, labels = stability_map(plan)
    title = f"Share of {len(plan.choices):,} resamples choosing each width ({metric} at {budget})"
    return draw_stability(share, chosen, plan.instance.class_names, labels, title)


def _samples(count: int) -> str:
    return "sample" if count == 1 else f"{count:,} samples"


def _sentences(plans: Plans) -> list[str]:
    sentences = []
    for text, (plan, _) in plans.items():
        settled = plan.settled_at
        excess = _relative(float(plan.excess.mean()), plan.objective)
        sentences.append(
            f"At {text}: a plan chosen from a resample costs {excess} more than the optimum "
            "on average; "
            + (
                f"the plan of the first {_samples(settled)} is already that of all."
                if settled is not None
                else f"half of the {plan.samples:,} samples still give another plan."
            )
        )
    return sentences


def _loss(plan: Confidence | RobustPlan) -> list[str]:
    low, high = plan.interval
    return [f"{plan.objective:.4g}", f"{plan.standard_error:.2g}", f"{low:.4g} to {high:.4g}"]


def _least(plan: Confidence) -> str:
    i = int(np.argmin(plan.kept))
    return f"{plan.instance.class_names[i]} {percent(plan.kept[i])}"


def _relative(value: float, reference: float) -> str:
    if value == 0:
        return "0 %"
    return f"{100 * value / reference:.3g} %" if reference > 0 else f"{value:.3g}"
