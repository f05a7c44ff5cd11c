"""Noise-to-signal ratio of the network's output with that layer quantized."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..tracing.batches import Batch
from ..tracing.losses import logits
from .context import Context
from .measured import MeasuredMetric


def noise(_context: Context, _batch: Batch, plain: Any, changed: Any) -> Tensor:
    """||z'_n - z_n||^2; over the mean ||z||^2 this is the inverse of the linear SQNR.

    References:
        Qualcomm AIMET, automatic mixed precision.
    """
    return (logits(changed) - logits(plain)).flatten(1).square().sum(dim=1)


def signal(_context: Context, _batch: Batch, plain: Any) -> Tensor:
    """||z_n||^2."""
    return logits(plain).flatten(1).square().sum(dim=1)


METRIC = MeasuredMetric("sqnr", noise, unit=signal)
