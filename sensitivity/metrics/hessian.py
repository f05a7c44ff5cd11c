"""Exact second-order loss increase: 1/2 dw' H dw by Hessian-vector products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..context import Context, MetricResult
from ..curvature import hessian_products


@dataclass(frozen=True)
class Hessian:
    """Omega_{l,b} = 1/2 dw' H_l dw, H_l the layer's block of the mean loss's Hessian.

    May be negative: away from a minimum the Hessian is indefinite.
    """

    name: str = "hessian"
    passes: str = "1 Hessian-vector product an item"
    has_scores: bool = False
    statistic: str = "mean"
    uses_loss: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Quadratic forms added up over batches in float64."""
        omega, samples = np.zeros(context.items), 0
        for _, batch in context.sweep("Hessian-vector products"):
            with hessian_products(context, batch) as (product, count):
                samples += count
                for layer in range(len(context.layers)):
                    for item, change in enumerate(context.delta(layer)):
                        curved = product(layer, change).double() * change
                        omega[context.columns(layer).start + item] += 0.5 * float(curved.sum())
        return MetricResult(omega / samples, None, passes=2 + 2 * context.items)


METRIC = Hessian()
