"""Pairwise loss interactions (CLADO): L_ij - L_i - L_j for pairs of items, with L_i the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..batches import Batch, cut
from ..context import Context, MetricResult
from ..measured import Runner


@dataclass(frozen=True)
class Pairwise:
    """Measured loss increase of items and of pairs of items of different layers.

    With L(S) the mean loss increase when the items of S are in place:

        Omega_i = L({i}),    interaction_{ij} = L({i, j}) - L({i}) - L({j})

    so that sum_i Omega_i + sum_{i<j} interaction_ij is exact for allocations that change at most
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
    passes: str = "1 forward a pair of items, on 64 samples"
    has_scores: bool = False
    statistic: str = "mean"
    uses_loss: bool = True

    def compute(self, context: Context) -> MetricResult:
        """All single items, then all pairs."""
        n, width = context.items, len(context.bits)
        single, double, total = np.zeros(n), np.zeros((n, n)), 0
        batches = list(self._batches(context))
        for number, batch in enumerate(batches):
            with torch.no_grad():
                runner = Runner(context, batch)
                plain = context.loss_fn(runner.plain, batch)
                total += len(plain)

                increase = partial(_increase, context, runner, batch, plain)
                for i in range(n):
                    context.progress("pairs of items", number * n + i, len(batches) * n)
                    if i % width == 0:
                        runner.start_at(i // width)
                    single[i] += increase((i,))
                    for j in range((i // width + 1) * width, n):
                        double[i, j] += increase((i, j))
                runner.finish()
        single /= total
        cross = np.triu(double / total - single[:, None] - single[None, :])
        layer = np.arange(n) // width
        cross[layer[:, None] >= layer[None, :]] = 0
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
