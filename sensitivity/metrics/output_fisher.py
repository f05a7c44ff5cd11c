"""Output Fisher (ModelOpt's score): sum of (dloss/dz (z_q - z))^2 over samples and elements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bitknap.problems.errors import UnsupportedError

from ..tracing.batches import Batch, take
from ..tracing.capture import backward_through
from ..tracing.kinds.base import Use
from ..tracing.proof import provable_alone
from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class OutputFisher(Metric):
    """Omega_{l,b} = sum_n sum_e (dloss_n/dz_{n,e} (dw_{l,b} * a_n)_e)^2 over output elements e.

    Squares come before the sum, so that terms of one layer's output cannot cancel. The uses of a
    layer used several times are added. Layers whose rows are not those of samples in order take a
    pass per sample. The per-sample sums are kept.

    References:
        NVIDIA TensorRT Model Optimizer, auto_quantize, gradient scores.
    """

    name: str = "output_fisher"
    passes: str = "1 forward + 1 backward, outputs replayed for each bit-width"
    statistic: str = "sum"

    def compute(self, context: Context) -> MetricResult:
        """Sums over one pass.

        Raises:
            UnsupportedError: the output of some layer cannot be told sample by sample.
        """
        fast = set(context.fast_weights)
        slow = [layer for layer in context.layers if id(layer.weight) not in fast]
        alone = provable_alone([layer.weight for layer in slow], context)
        hidden = [
            layer.info.name
            for layer in slow
            if id(layer.weight) not in alone and layer.info.name not in context.excluded
        ]
        if hidden:
            raise UnsupportedError(
                f"the metric output_fisher needs the outputs of layers, and those of "
                f"{', '.join(hidden)} cannot be told; use another metric, or exclude them"
            )
        scores = context.rows(
            "output changes", lambda number, _: _sums(context, number, alone).cpu().numpy()
        )
        return MetricResult(scores.astype(np.float64).sum(axis=0), scores, passes=2)


def _sums(context: Context, number: int, alone: Collection[int]) -> Tensor:
    """(N, n) sums over the elements of one batch, some layers one sample at a time."""
    batch, losses = context.batches[number], context.traces[number].losses
    kind = torch.promote_types(losses.dtype, torch.float32)
    table = torch.zeros(len(losses), context.items, dtype=kind, device=losses.device)
    _add(context, batch, context.fast_weights, table)
    weights = {key: weight for key, weight in context.weights.items() if key in alone}
    if weights:
        for row in range(len(losses)):
            piece = batch if len(losses) == 1 else take(batch, [row])
            _add(context, piece, weights, table[row : row + 1])
    return table


def _add(context: Context, batch: Batch, weights: Mapping[int, Tensor], table: Tensor) -> None:
    """Add the sums of some layers to those of the batch's samples."""
    place = context.place

    def consume(use: Use, grad: Tensor, samples: int) -> None:
        for item, change in enumerate(use.replay(delta := context.delta(place[id(use.weight)]))):
            square = (change * grad.to(delta.dtype)).square()
            column = context.columns(place[id(use.weight)]).start + item
            table[:, column] += square.reshape(samples, -1).sum(dim=1)

    if weights:
        backward_through(partial(context.losses, batch), weights, consume)


METRIC = OutputFisher()
