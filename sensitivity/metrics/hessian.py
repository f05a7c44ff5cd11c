"""Exact second-order loss increase: 1/2 dw' H dw by Hessian-vector products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..table.archive import Arrays
from .context import Context, Metric, MetricResult
from .curvature import Graphs


@dataclass(frozen=True)
class Hessian(Metric):
    """Omega_{l,b} = 1/2 dw' H_l dw, H_l the layer's block of the mean loss's Hessian.

    May be negative: away from a minimum the Hessian is indefinite.
    """

    name: str = "hessian"
    passes: str = "1 Hessian-vector product per item"
    has_scores: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Quadratic forms added up over batches in float64."""
        omega, samples = np.zeros(context.items), 0
        with Graphs(context) as graphs:

            def forms(number: int, layer: int) -> Arrays:
                product, count = graphs.of(number)
                curved = [product(layer, dw).double() * dw for dw in context.delta(layer)]
                return {
                    "forms": np.array([0.5 * float(terms.sum()) for terms in curved]),
                    "samples": np.array(count),
                }

            for _, layer, result in context.cells("Hessian-vector products", forms):
                omega[context.columns(layer)] += result["forms"]
                samples += int(result["samples"]) if layer == 0 else 0
        return MetricResult(omega / samples, None, passes=2 + 2 * context.items)


METRIC = Hessian()
