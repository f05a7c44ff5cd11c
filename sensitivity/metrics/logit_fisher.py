"""Logit Fisher: the published port's variant, with the logit z_y in place of the probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from ..tracing.batches import Batch
from ..tracing.losses import IGNORED, aligned
from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class LogitFisher(Metric):
    """Omega_{l,b} = 1/(2N) sum_n (⟨grad_{w_l} z_{n,y}, dw_{l,b}⟩ / z_{n,y})^2.

    Here z_y is the label's logit, averaged over positions where the output has any. Unlike the
    probability's, this quotient has a pole at z_y = 0 and depends on a constant added to all
    logits.
    """

    name: str = "logit_fisher"
    passes: str = "1 forward + 1 backward"
    statistic: str = "half_square"
    activations: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Omega from the scores of one pass."""
        scores = context.rows(
            "scores of the logit",
            lambda number, _: context.scores(number, partial(_log_logit, context)),
        )
        omega = 0.5 * (scores.astype(np.float64) ** 2).mean(axis=0)
        return MetricResult(omega, scores, passes=2)


def _log_logit(context: Context, piece: Batch, _rows: slice) -> Tensor:
    """(n,) values whose gradient is that of z_y over z_y."""
    scores, target = aligned(context.forward(context.model, piece), piece)
    counted = target != IGNORED
    chosen = scores.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1) * counted
    mean = chosen.reshape(len(chosen), -1).sum(dim=1) / counted.reshape(len(chosen), -1).sum(dim=1)
    return mean / mean.detach()


METRIC = LogitFisher()
