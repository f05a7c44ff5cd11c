"""Metrics measured by running the network with one layer quantized at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .batches import Batch
from .capture import Substitute
from .context import Context, MetricResult

Compare = Callable[[Context, Batch, Any, Any], Tensor]
"""``compare(context, batch, output, changed output)`` -> (N,)."""


@dataclass(frozen=True)
class Measured:
    """Omega_{l,b} = 1/N sum_n compare(output_n, output_n with Q_b(w_l) in place of w_l).

    All measured metrics of a table share one run of the network an item.

    Args:
        name: of the metric.
        compare: per-sample value; kept as scores.
        unit: where given, the values are divided by the mean of compare-like values of the plain
            output alone.
        uses_loss: whether the comparison needs the loss.
    """

    name: str
    compare: Compare
    unit: Callable[[Context, Batch, Any], Tensor] | None = None
    uses_loss: bool = False
    passes: str = "1 forward an item, and 1 (shared by loss, kl and sqnr)"
    has_scores: bool = True
    statistic: str = "mean"

    def compute(self, context: Context) -> MetricResult:
        """The comparison's mean over the samples."""
        if self.name not in context.measured:
            together = [metric for metric in context.metrics if isinstance(metric, Measured)]
            context.measured.update(run_items(context, together))
        scores = context.measured[self.name]
        omega = scores.astype(np.float64).mean(axis=0)
        return MetricResult(omega, scores, passes=context.items + 1)


def run_items(
    context: Context, metrics: Sequence[Measured]
) -> dict[str, NDArray[np.floating[Any]]]:
    """(N, n) values of several metrics from one run an item; the network is not written to."""
    values: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
    units: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
    with torch.no_grad():
        for _, batch in context.sweep("each layer at each bit-width"):
            plain = context.forward(context.model, batch)
            columns: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
            for index in range(len(context.layers)):
                for change in context.delta(index):
                    changed = run_changed(context, batch, {index: change})
                    for metric in metrics:
                        column = metric.compare(context, batch, plain, changed)
                        columns[metric.name].append(column)
            for metric in metrics:
                values[metric.name].append(torch.stack(columns[metric.name], dim=1))
                if metric.unit is not None:
                    units[metric.name].append(metric.unit(context, batch, plain))
    result = {}
    for name, parts in values.items():
        whole = torch.cat(parts)
        if units[name]:
            whole = whole / torch.cat(units[name]).double().mean().to(whole.dtype)
        result[name] = whole.to(torch.promote_types(whole.dtype, torch.float32)).cpu().numpy()
    return result


def run_changed(context: Context, batch: Batch, changes: dict[int, Tensor]) -> Any:
    """The network's output with perturbations added to some layers' weights."""
    values = {}
    for index, change in changes.items():
        weight = context.layers[index].weight
        values[id(weight)] = (weight, (weight + change).to(weight.dtype))
    with Substitute(values):
        return context.forward(context.model, batch)
