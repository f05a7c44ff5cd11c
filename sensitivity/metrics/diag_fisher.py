"""Diagonal empirical Fisher: 1/2 sum_k mean_n(g_k^2) dw_k^2, squared weight by weight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..tracing.capture import backward_through
from ..tracing.kinds.base import Use
from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class DiagonalFisher(Metric):
    """Omega_{l,b} = 1/2 sum_k [1/N sum_n g_{n,k}^2] dw_k^2, with g_n = grad_{w_l} loss_n.

    The per-sample terms 1/2 sum_k g_{n,k}^2 dw_k^2 are kept. The gradients of a layer used several
    times are added up before they are squared, which holds them for a whole batch.
    """

    name: str = "diag_fisher"
    passes: str = "1 forward + 1 backward with per-sample gradients"

    def compute(self, context: Context) -> MetricResult:
        """Terms and their mean from one pass."""
        terms = context.rows(
            "squared gradients", lambda number, _: _terms(context, number).cpu().numpy()
        )
        return MetricResult(terms.astype(np.float64).mean(axis=0), terms, passes=2)


def _terms(context: Context, number: int) -> Tensor:
    """(N, n) terms of one batch."""
    batch, losses = context.batches[number], context.traces[number].losses
    gathered: list[tuple[int, slice, Tensor]] = []
    held: dict[int, Tensor] = {}

    def square(index: int, part: slice, gradients: Tensor) -> None:
        squares = context.delta(index).flatten(1).square()
        terms = 0.5 * gradients.flatten(1).square() @ squares.T
        gathered.append((index, part, terms))

    def consume(use: Use, grad: Tensor, samples: int) -> None:
        index = context.place[id(use.weight)]
        kind = context.delta(index).dtype
        for part, gradients in use.sample_gradients(grad.to(kind), samples):
            if context.layers[index].info.uses == 1:
                square(index, part, gradients)
                continue
            if index not in held:
                held[index] = gradients.new_zeros(samples, *gradients.shape[1:])
            held[index][part] += gradients

    if fast := context.fast_weights:
        backward_through(partial(context.losses, batch), fast, consume)
    for row, (found, _) in enumerate(context.general_gradients(number, context.value_of_loss)):
        for index, gradient in found.items():
            square(index, slice(row, row + 1), gradient.to(context.delta(index).dtype)[None])
    with torch.no_grad():
        for index, gradients in held.items():
            square(index, slice(0, len(losses)), gradients)
    kind = torch.promote_types(losses.dtype, torch.float32)
    table = torch.zeros(len(losses), context.items, dtype=kind, device=losses.device)
    for index, part, terms in gathered:
        table[part, context.columns(index)] += terms
    return table


METRIC = DiagonalFisher()
