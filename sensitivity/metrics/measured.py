"""Metrics measured by running the network with one layer quantized at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..quantization.grids import Grid
from ..table.archive import Arrays
from ..table.provenance import describe_function
from ..tracing.batches import Batch, tensors
from ..tracing.capture import substituted
from ..tracing.inputs import QuantizeInputs
from .context import Context, MetricResult, on_host
from .prefix import PrefixCache, ReplayDiverged

Compare = Callable[[Context, Batch, Any, Any], Tensor]
"""``compare(context, batch, output, changed output)`` -> (N,)."""


@dataclass(frozen=True)
class MeasuredMetric:
    """Omega_{l,b} = 1/N sum_n compare(output_n, output_n with Q_b(w_l) in place of w_l).

    All measured metrics of a table share one run of the network an item.

    Args:
        compare: per-sample value; kept as scores.
        unit: where given, the values are divided by the mean of compare-like values of the plain
            output alone.
    """

    name: str
    compare: Compare
    unit: Callable[[Context, Batch, Any], Tensor] | None = None
    uses_loss: bool = False
    passes: str = "1 forward per item, and 1 (shared by loss, kl and sqnr)"
    has_scores: bool = True
    statistic: str = "mean"
    activations: bool = True
    gradients: bool = False

    def compute(self, context: Context) -> MetricResult:
        """The comparison's mean over the samples."""
        if self.uses_loss:
            context.require_loss_of_output()
        if self.name not in context.measured:
            together = [metric for metric in context.metrics if isinstance(metric, MeasuredMetric)]
            context.measured.update(run_items(context, together))
        scores = context.measured[self.name]
        omega = scores.astype(np.float64).mean(axis=0)
        return MetricResult(omega, scores, passes=context.items + 1)


class Runner:
    """Runs the network on one batch with some layers changed, reusing the unchanged prefix.

    The first replay up to each layer is first tried unchanged; where it does not give the plain
    output, or where a run writes to recorded results, the whole network is run instead.
    """

    def __init__(self, context: Context, batch: Batch) -> None:
        self._context, self._batch = context, batch
        self._prefix = PrefixCache()
        self.plain = self._forward()

    def _forward(self) -> Any:
        return self._context.forward(self._context.model, self._batch)

    def start_at(self, layer: int) -> None:
        """Expect changes of this layer and of layers first used after it only."""
        context = self._context
        if not context.reuse:
            return
        try:
            self._prefix.advance(self._forward, context.layers[layer].weight)
            if layer not in context.replayed:
                replayed = self._prefix.run(self._forward)
                context.reuse = self._prefix.intact and _same(replayed, self.plain)
        except (Exception, ReplayDiverged):
            # Replay may break a user's code where a plain run does not.
            context.reuse = False

    def run(self, changes: dict[int, Tensor], grid: Grid | None = None) -> Any:
        """The output with perturbations added to some layers' weights, their inputs on a grid."""
        values, grids = [], {}
        for index, change in changes.items():
            weight = self._context.layers[index].weight
            values.append((weight, (weight + change).to(weight.dtype)))
            if grid is not None:
                grids[id(weight)] = (weight, grid)
        with substituted(values), QuantizeInputs(grids) if grids else nullcontext():
            if not self._context.reuse:
                return self._forward()
            try:
                output = self._prefix.run(self._forward)
            except ReplayDiverged:
                self._context.reuse = False
                return self._forward()
            if self._prefix.intact and self._proved(min(changes), output):
                return output
            self._context.reuse = False
            return self._forward()

    def _proved(self, layer: int, output: Any) -> bool:
        """Whether replay gave what a plain run gives, the first time that a layer is changed.

        It does not where the network reads the layer's weight unseen before its first visible use.
        """
        if layer in self._context.replayed:
            return True
        self._context.replayed.add(layer)
        return _same(output, self._forward())


def _same(one: Any, other: Any) -> bool:
    pairs = list(zip(tensors(one), tensors(other), strict=True))
    return bool(pairs) and all(torch.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)


def run_items(
    context: Context, metrics: Sequence[MeasuredMetric]
) -> dict[str, NDArray[np.floating[Any]]]:
    """(N, n) values of several metrics from one run an item; the network is not written to."""
    runner_of = lru_cache(1)(lambda number: Runner(context, context.batches[number]))

    def chunk(number: int, layer: int) -> Arrays:
        batch = context.batches[number]
        columns: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics}
        with torch.no_grad():
            runner = runner_of(number)
            runner.start_at(layer)
            grids = context.grids[layer] if context.grids else (None,)
            for change, grid in itertools.product(context.delta(layer), grids):
                changed = runner.run({layer: change}, grid)
                for metric in metrics:
                    column = metric.compare(context, batch, runner.plain, changed)
                    columns[metric.name].append(column)
            found = {name: on_host(torch.stack(values, dim=1)) for name, values in columns.items()}
            for metric in metrics:
                if metric.unit is not None and layer == 0:
                    found[f"{metric.name} unit"] = on_host(
                        metric.unit(context, batch, runner.plain)
                    )
        return found

    kinds = [(metric.name, describe_function(metric.compare)) for metric in metrics]
    parts: dict[str, list[NDArray[Any]]] = {}
    for *_, found in context.cells("each layer at each bit-width", chunk, kinds):
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    return {metric.name: _whole(parts, metric.name, len(context.layers)) for metric in metrics}


def _whole(
    parts: Mapping[str, Sequence[NDArray[Any]]], name: str, layers: int
) -> NDArray[np.floating[Any]]:
    """(N, n) values of a metric from its parts, which run over layers, then batches."""
    pieces = parts[name]
    rows = [np.hstack(pieces[start : start + layers]) for start in range(0, len(pieces), layers)]
    whole = torch.from_numpy(np.concatenate(rows))
    if units := parts.get(f"{name} unit"):
        whole = whole / torch.from_numpy(np.concatenate(units)).double().mean().to(whole.dtype)
    return whole.numpy()
