"""Measured loss increase: the mean loss with only that layer quantized, minus the float loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..capture import Substitute
from ..context import Batch, Context, MetricResult


@dataclass(frozen=True)
class Loss:
    """Omega_{l,b} = mean_n [ loss_n(w with Q_b(w_l)) - loss_n(w) ], layers one at a time.

    May be negative. The scores are the per-sample differences.
    """

    name: str = "loss"
    passes: str = "1 forward an item, and 1"
    has_scores: bool = True
    statistic: str = "mean"

    def compute(self, context: Context) -> MetricResult:
        """One forward pass an item; the network itself is not written to."""
        parts = []
        with torch.no_grad():
            for _, batch in context.sweep("loss of each layer and bit-width"):
                parts.append(_differences(context, batch).cpu().numpy())
        scores = np.concatenate(parts)
        return MetricResult(
            scores.astype(np.float64).mean(axis=0), scores, passes=context.items + 1
        )


def _differences(context: Context, batch: Batch) -> Tensor:
    """(N, n) loss increases of one batch."""
    plain = context.losses(batch)
    table = torch.empty(len(plain), context.items, dtype=plain.dtype, device=plain.device)
    for index, layer in enumerate(context.layers):
        for column, change in enumerate(context.delta(index)):
            quantized = (layer.weight + change).to(layer.weight.dtype)
            with Substitute(layer.weight, quantized):
                table[:, context.columns(index).start + column] = context.losses(batch) - plain
    return table


METRIC = Loss()
