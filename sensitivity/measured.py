"""Metrics measured by running the network with one layer quantized at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .activations import QuantizeInputs
from .batches import Batch, tensors
from .capture import Substitute
from .context import Context, MetricResult
from .grids import Grid
from .prefix import Prefix

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
    activations: bool = True

    def compute(self, context: Context) -> MetricResult:
        """The comparison's mean over the samples."""
        if self.name not in context.measured:
            together = [metric for metric in context.metrics if isinstance(metric, Measured)]
            context.measured.update(run_items(context, together))
        scores = context.measured[self.name]
        omega = scores.astype(np.float64).mean(axis=0)
        return MetricResult(omega, scores, passes=context.items + 1)


class Runner:
    """Runs the network on one batch with some layers changed, reusing the unchanged prefix.

    On a context's first batch every replay is first tried unchanged; where it does not give the
    plain output, or where a run writes to recorded results, the whole network is run instead.
    """

    def __init__(self, context: Context, batch: Batch) -> None:
        self._context, self._batch = context, batch
        self._prefix = Prefix()
        self.plain = self._forward()

    def _forward(self) -> Any:
        return self._context.forward(self._context.model, self._batch)

    def start_at(self, layer: int) -> None:
        """Expect changes of this layer and of layers first used after it only."""
        context = self._context
        if context.reuse is False:
            return
        try:
            self._prefix.advance(self._forward, context.layers[layer].weight)
            if context.reuse is None:
                replayed = self._prefix.run(self._forward)
                if not (self._prefix.intact and _same(replayed, self.plain)):
                    context.reuse = False
        except Exception:
            # Whatever replay breaks in a user's code, a plain run does not.
            context.reuse = False

    def run(self, changes: dict[int, Tensor], grid: Grid | None = None) -> Any:
        """The output with perturbations added to some layers' weights, their inputs on a grid."""
        values, grids = {}, {}
        for index, change in changes.items():
            weight = self._context.layers[index].weight
            values[id(weight)] = (weight, (weight + change).to(weight.dtype))
            if grid is not None:
                grids[id(weight)] = (weight, grid)
        with Substitute(values), QuantizeInputs(grids) if grids else nullcontext():
            if self._context.reuse is False:
                return self._forward()
            output = self._prefix.run(self._forward)
        if not self._prefix.intact:
            self._context.reuse = False
        return output

    def finish(self) -> None:
        """After all layers of a batch: replay has proved itself if nothing spoke against it."""
        if self._context.reuse is None:
            self._context.reuse = True


def _same(one: Any, other: Any) -> bool:
    pairs = list(zip(tensors(one), tensors(other), strict=True))
    return bool(pairs) and all(torch.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)


def run_items(
    context: Context, metrics: Sequence[Measured]
) -> dict[str, NDArray[np.floating[Any]]]:
    """(N, n) values of several metrics from one run an item; the network is not written to."""
    values: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
    units: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
    with torch.no_grad():
        for _, batch in context.sweep("each layer at each bit-width"):
            runner = Runner(context, batch)
            columns: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
            for index in range(len(context.layers)):
                runner.start_at(index)
                grids = context.grids[index] if context.grids else (None,)
                for change, grid in itertools.product(context.delta(index), grids):
                    changed = runner.run({index: change}, grid)
                    for metric in metrics:
                        column = metric.compare(context, batch, runner.plain, changed)
                        columns[metric.name].append(column)
            runner.finish()
            for metric in metrics:
                values[metric.name].append(torch.stack(columns[metric.name], dim=1))
                if metric.unit is not None:
                    units[metric.name].append(metric.unit(context, batch, runner.plain))
    result = {}
    for name, parts in values.items():
        whole = torch.cat(parts)
        if units[name]:
            whole = whole / torch.cat(units[name]).double().mean().to(whole.dtype)
        result[name] = whole.to(torch.promote_types(whole.dtype, torch.float32)).cpu().numpy()
    return result
