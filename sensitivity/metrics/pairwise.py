"""Pairwise loss interactions (CLADO): L_ij - L_i - L_j for pairs of items, with L_i the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from ..table.archive import Arrays
from ..tracing.batches import Batch, cut
from .context import Context, Metric, MetricResult
from .measured import Runner


@dataclass(frozen=True)
class Pairwise(Metric):
    """Measured loss increase of items and of pairs of items of different layers.

    With L(S) the mean loss increase when the items of S are in place:

        Omega_i = L({i}),    interaction_{ij} = L({i, j}) - L({i}) - L({j})

    so that sum_i Omega_i + sum_{i < j} interaction_ij is exact for allocations that change at most
    two layers. The interactions (n, n) are symmetric, zero within a layer, and stored with the
    table; an instance made of this metric holds Omega alone.

    Args:
        samples: uses about this many samples, whole batches unless they can be cut.

    References:
        Z. Deng, S. Sharify, X. Wang, M. Orshansky, Mixed-precision quantization for deep vision
        models with integer quadratic programming, DAC 2025, arXiv:2307.05657.
    """

    samples: int = 64
    name: str = "pairwise"
    passes: str = "1 forward per pair of items, on 64 samples"
    has_scores: bool = False

    gradients: bool = False

    def compute(self, context: Context) -> MetricResult:
        """All single items, then all pairs."""
        context.require_loss_of_output()
        n, width = context.items, len(context.bits)
        single, double, total = np.zeros(n), np.zeros((n, n)), 0
        batches = list(self._batches(context))
        runner_of = lru_cache(1)(lambda number: Runner(context, batches[number]))

        def rows(number: int, layer: int) -> Arrays:
            with torch.no_grad():
                runner = runner_of(number)
                runner.start_at(layer)
                plain = context.loss_fn(runner.plain, batches[number])
                increase = partial(_increase, context, runner, batches[number], plain)
                first, later = range(n)[context.columns(layer)], range((layer + 1) * width, n)
                pairs = [[increase((i, j)) for j in later] for i in first]
                return {
                    "single": np.array([increase((i,)) for i in first]),
                    "double": np.array(pairs).reshape(width, len(later)),
                    "samples": np.array(len(plain)),
                }

        cells = context.cells("pairs of items", rows, self.samples, len(batches))
        for _, layer, result in cells:
            span = context.columns(layer)
            single[span] += result["single"]
            double[span, span.stop :] += result["double"]
            total += int(result["samples"]) if layer == 0 else 0
        single /= total
        cross = np.triu(double / total - single[:, None] - single[None, :])
        places = np.arange(n) // width
        cross[places[:, None] >= places[None, :]] = 0
        pairs = n * (n - width) / 2
        share = len(batches) / len(context.batches)
        return MetricResult(single, None, (1 + n + pairs) * share, interactions=cross + cross.T)

    def _batches(self, context: Context) -> Iterator[Batch]:
        left = self.samples
        for batch in context.batches:
            if left <= 0:
                return
            with torch.no_grad():
                size = len(context.losses(batch))
            yield cut(batch, size, left) if size > left else batch
            left -= size


def _increase(
    context: Context, runner: Runner, batch: Batch, plain: Tensor, items: tuple[int, ...]
) -> float:
    """Summed loss increase with the items in place."""
    width = len(context.bits)
    changes = {i // width: context.delta(i // width)[i % width] for i in items}
    losses = context.loss_fn(runner.run(changes), batch)
    return float((losses.double() - plain.double()).sum())


METRIC = Pairwise()
