"""Output Fisher (ModelOpt's score): sum of (dloss/dz (z_q - z))^2 over samples and elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..batches import Batch
from ..capture import backward_through
from ..context import Context, MetricResult
from ..kinds.base import Use


@dataclass(frozen=True)
class OutputFisher:
    """Omega_{l,b} = sum_n sum_e (dloss_n/dz_{n,e} (dw_{l,b} * a_n)_e)^2 over output elements e.

    Squares come before the sum, so that terms of one layer's output cannot cancel. The uses of a
    layer used several times are added. The per-sample sums are kept.

    References:
        NVIDIA TensorRT Model Optimizer, auto_quantize, gradient scores.
    """

    name: str = "output_fisher"
    passes: str = "1 forward + 1 backward, outputs replayed for each bit-width"
    has_scores: bool = True
    statistic: str = "sum"
    uses_loss: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Sums over one pass."""
        scores = context.rows(
            "output changes", lambda _, batch: _sums(context, batch).cpu().numpy()
        )
        return MetricResult(scores.astype(np.float64).sum(axis=0), scores, passes=2)


def _sums(context: Context, batch: Batch) -> Tensor:
    """(N, n) sums over the elements of one batch."""
    gathered: list[tuple[int, Tensor]] = []

    def consume(use: Use, grad: Tensor, samples: int) -> None:
        for item, change in enumerate(use.replay(delta := context.delta(place[id(use.weight)]))):
            square = (change * grad.to(delta.dtype)).square()
            column = context.columns(place[id(use.weight)]).start + item
            gathered.append((column, square.reshape(samples, -1).sum(dim=1)))

    place = context.place
    losses, _ = backward_through(partial(context.losses, batch), context.weights, consume)
    kind = torch.promote_types(losses.dtype, torch.float32)
    table = torch.zeros(len(losses), context.items, dtype=kind, device=losses.device)
    for column, sums in gathered:
        table[:, column] += sums
    return table


METRIC = OutputFisher()
