"""Empirical Fisher of the loss: 1/2 mean_n ⟨grad loss_n, dw⟩^2, the paper's criterion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class Fisher(Metric):
    """Second-order loss increase under the empirical Fisher, within-layer terms included.

    With s_{n,l,b} = ⟨grad_{w_l} loss_n, dw_{l,b}⟩:

        Omega_{l,b} = 1/(2N) sum_n s_{n,l,b}^2

    For cross-entropy with one-hot labels this is the quadratic form of the paper's rank-one
    Gauss-Newton terms when its f is read as the softmax probability; that reading is ours.

    References:
        W. Chen, P. Wang, J. Cheng, Towards Mixed-Precision Quantization of Neural Networks via
        Constrained Optimization, ICCV 2021, arXiv:2110.06554.
    """

    name: str = "fisher"
    passes: str = "1 forward + 1 backward"
    statistic: str = "half_square"
    activations: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Omega from the scores of one pass over the data."""
        scores = context.loss_scores()
        omega = 0.5 * (scores.astype(np.float64) ** 2).mean(axis=0)
        return MetricResult(omega, scores, passes=2)


METRIC = Fisher()
