"""First-order loss change: abs(mean_n ⟨grad loss_n, dw⟩), the ablation without curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class FirstOrder(Metric):
    """Omega_{l,b} = abs(1/N sum_n s_{n,l,b}) = abs(⟨grad_{w_l} mean loss, dw_{l,b}⟩)."""

    name: str = "first_order"
    passes: str = "1 forward + 1 backward (shared with fisher)"
    statistic: str = "absolute_mean"
    activations: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Omega from the same scores as fisher."""
        scores = context.loss_scores()
        return MetricResult(np.abs(scores.astype(np.float64).mean(axis=0)), scores, passes=2)


METRIC = FirstOrder()
