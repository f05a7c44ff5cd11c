"""HAWQ-V2: the mean Hessian eigenvalue (trace / n) of each layer times ||dw||^2, by Hutchinson."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..table.archive import Arrays
from .context import Context, Metric, MetricResult
from .curvature import Graphs, mean_square_delta, rademacher


@dataclass(frozen=True)
class HawqV2(Metric):
    """Omega_{l,b} = tr(H_l) / n_l ||dw_{l,b}||^2, H_l a block of the mean loss's Hessian.

    The trace is Hutchinson's mean of v' H_l v over random signs v. Its standard error, from the
    spread over the draws, is that of Omega for the given data.

    References:
        Z. Dong et al., HAWQ-V2, NeurIPS 2020, arXiv:1911.03852.
    """

    draws: int = 50
    name: str = "hawq_v2"
    passes: str = "50 Hessian-vector products per layer"
    has_scores: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Traces first, then Omega."""
        forms, samples = np.zeros((len(context.layers), self.draws)), 0
        with Graphs(context) as graphs:

            def draw(number: int, layer: int) -> Arrays:
                product, count = graphs.of(number)
                signs = (rademacher(context, layer, index) for index in range(self.draws))
                found = [float((v * product(layer, v)).double().sum()) for v in signs]
                return {"forms": np.array(found), "samples": np.array(count)}

            for _, layer, result in context.cells("Hutchinson draws", draw, self.draws):
                forms[layer] += result["forms"]
                samples += int(result["samples"]) if layer == 0 else 0
        forms /= samples
        spread = forms.std(axis=1, ddof=1) / np.sqrt(self.draws)
        squares = [
            context.layers[layer].info.numel * mean_square_delta(context, layer).numpy()
            for layer in range(len(context.layers))
        ]
        numel = np.array([layer.info.numel for layer in context.layers])
        mean = forms.mean(axis=1) / numel
        omega = np.concatenate([m * s for m, s in zip(mean, squares, strict=True)])
        error = np.concatenate([m * s for m, s in zip(spread / numel, squares, strict=True)])
        passes = 2 + 2 * self.draws * len(context.layers)
        return MetricResult(omega, None, passes=passes, error=error)


METRIC = HawqV2()
