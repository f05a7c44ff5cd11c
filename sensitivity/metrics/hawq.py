"""HAWQ: the largest Hessian eigenvalue of each layer times the mean squared perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..table.archive import Arrays
from .context import Context, Metric, MetricResult, on_host
from .curvature import hessian_products, mean_square_delta, rademacher

PASS = "power iteration"


@dataclass(frozen=True)
class Hawq(Metric):
    """Omega_{l,b} = lambda(H_l) ||dw_{l,b}||^2 / n_l by power iteration.

    lambda is the eigenvalue of largest magnitude of the layer's block of the mean loss's Hessian.
    All layers iterate together, so that one pass over the data serves each of them.

    Args:
        tolerance: relative change of every layer's eigenvalue at which the iteration stops.

    References:
        Z. Dong et al., HAWQ, ICCV 2019, arXiv:1905.03696.
    """

    iterations: int = 100
    tolerance: float = 1e-3
    name: str = "hawq"
    passes: str = "about 20-100 Hessian-vector products per layer"
    has_scores: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Eigenvalues first, then Omega."""
        layers = range(len(context.layers))
        vectors = [_unit(rademacher(context, layer, 0)) for layer in layers]
        state = _pack(np.zeros(len(vectors)), vectors, False, 0)
        states = context.checkpoint.iterate(
            PASS, state, partial(self._step, context), self.iterations, self.tolerance
        )
        for state in states:
            if state["settled"]:
                break
        values = state["values"]
        omega = [values[layer] * mean_square_delta(context, layer).numpy() for layer in layers]
        passes = int(state["rounds"]) * (2 + 2 * len(vectors))
        return MetricResult(np.concatenate(omega), None, passes=passes)

    def _step(self, context: Context, number: int, state: Arrays) -> Arrays:
        """Eigenvalues and vectors after one more product."""
        vectors = [
            torch.from_numpy(state[f"vector {index}"]).to(layer.weight.device)
            for index, layer in enumerate(context.layers)
        ]
        products = _products(context, vectors, f"{PASS} {number}")
        values = np.array([float((v * p).sum()) for v, p in zip(vectors, products, strict=True)])
        settled = np.abs(values - state["values"]) <= self.tolerance * np.abs(values)
        return _pack(values, [_unit(product) for product in products], bool(settled.all()), number)


def _products(context: Context, vectors: list[Tensor], what: str) -> list[Tensor]:
    """H_l v_l of the mean loss for every layer, in float64."""

    def chunk(number: int) -> Arrays:
        with hessian_products(context, context.batches[number]) as (product, count):
            found = [product(layer, vector) for layer, vector in enumerate(vectors)]
            samples = np.array(count)
            return {"samples": samples, **{str(k): on_host(p) for k, p in enumerate(found)}}

    totals, samples = [torch.zeros_like(vector) for vector in vectors], 0
    for part in context.checkpoint.map(what, len(context.batches), chunk, context.progress):
        samples += int(part["samples"])
        for layer, total in enumerate(totals):
            total += torch.from_numpy(part[str(layer)]).to(total.device)
    return [total / samples for total in totals]


def _pack(values: NDArray[np.float64], vectors: list[Tensor], settled: bool, rounds: int) -> Arrays:
    named = {f"vector {index}": vector.cpu().numpy() for index, vector in enumerate(vectors)}
    return {"values": values, "settled": np.array(settled), "rounds": np.array(rounds), **named}


def _unit(vector: Tensor) -> Tensor:
    norm = vector.double().norm()
    return vector.double() / norm if float(norm) > 0 else vector.double()


METRIC = Hawq()
