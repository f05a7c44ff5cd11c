"""HAWQ: the largest Hessian eigenvalue of each layer times the mean squared perturbation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..context import Context, MetricResult
from ..curvature import hessian_products, mean_square_delta, rademacher


@dataclass(frozen=True)
class Hawq:
    """Omega_{l,b} = lambda(H_l) ||dw_{l,b}||^2 / n_l by power iteration.

    lambda is the eigenvalue of largest magnitude of the layer's block of the mean loss's Hessian.
    All layers iterate together, so that one pass over the data serves each of them.

    Args:
        iterations: most iterations.
        tolerance: relative change of every layer's eigenvalue at which the iteration stops.

    References:
        Z. Dong et al., HAWQ, ICCV 2019, arXiv:1905.03696.
    """

    iterations: int = 100
    tolerance: float = 1e-3
    name: str = "hawq"
    passes: str = "about 20-100 Hessian-vector products a layer"
    has_scores: bool = False
    statistic: str = "mean"
    uses_loss: bool = True

    def compute(self, context: Context) -> MetricResult:
        """Eigenvalues first, then Omega."""
        layers = range(len(context.layers))
        vectors = [_unit(rademacher(context, layer, 0)) for layer in layers]
        values, rounds = np.zeros(len(vectors)), 0
        for rounds in range(1, self.iterations + 1):
            context.progress("power iterations", rounds - 1, self.iterations)
            products = _products(context, vectors)
            updated = np.array(
                [float((v * p).sum()) for v, p in zip(vectors, products, strict=True)]
            )
            vectors = [_unit(product) for product in products]
            settled = np.abs(updated - values) <= self.tolerance * np.abs(updated)
            values = updated
            if settled.all():
                break
        omega = [values[layer] * mean_square_delta(context, layer).numpy() for layer in layers]
        passes = rounds * (2 + 2 * len(vectors))
        return MetricResult(np.concatenate(omega), None, passes=passes)


def _products(context: Context, vectors: list[Tensor]) -> list[Tensor]:
    """H_l v_l of the mean loss for every layer, in float64."""
    totals = [torch.zeros_like(vector, dtype=torch.float64) for vector in vectors]
    samples = 0
    for batch in context.batches:
        with hessian_products(context, batch) as (product, count):
            samples += count
            for layer, vector in enumerate(vectors):
                totals[layer] += product(layer, vector)
    return [total / samples for total in totals]


def _unit(vector: Tensor) -> Tensor:
    norm = vector.double().norm()
    return vector.double() / norm if float(norm) > 0 else vector.double()


METRIC = Hawq()
