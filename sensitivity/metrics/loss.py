"""Measured loss increase: the mean loss with only that layer quantized, minus the float loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..tracing.batches import Batch, per_sample
from .context import Context
from .measured import MeasuredMetric


def increase(context: Context, batch: Batch, plain: Any, changed: Any) -> Tensor:
    """loss_n(changed) - loss_n(plain); may be negative."""
    before = per_sample(context.loss_fn(plain, batch))
    return per_sample(context.loss_fn(changed, batch)) - before


METRIC = MeasuredMetric("loss", increase, uses_loss=True)
