"""Squared weight perturbation, sum of dw^2: no data and no Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class WeightMSE(Metric):
    """Omega_{l,b} = ||dw_{l,b}||^2, the ablation without curvature."""

    name: str = "weight_mse"
    passes: str = "none"
    has_scores: bool = False
    uses_loss: bool = False

    gradients: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Sums of squares in float64."""
        omega = np.empty(context.items)
        for index in range(len(context.layers)):
            squares = context.delta(index).double().flatten(1).square().sum(dim=1)
            omega[context.columns(index)] = squares.cpu().numpy()
        return MetricResult(omega, None, passes=0)


METRIC = WeightMSE()
