"""Products with the layers' diagonal blocks of the mean loss's Hessian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..tracing.batches import Batch
from .context import Context
from .grouped import GroupedConvolutions

Product = Callable[[int, Tensor], Tensor]
"""``product(l, v)`` = H_l v for a vector of the shape of layer l's weight."""


@contextmanager
def hessian_products(context: Context, batch: Batch) -> Iterator[tuple[Product, int]]:
    """H_l v of the batch's *summed* loss, by double backward, and the number of samples.

    One graph serves all products; it is freed on leaving. Attention runs in its plain form, the
    only one with a second derivative.

    References:
        B. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
    """
    weights = [layer.weight for layer in context.layers]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            with GroupedConvolutions():
                losses = context.losses(batch)
            gradients = torch.autograd.grad(
                losses.sum(), weights, create_graph=True, materialize_grads=True
            )

            def product(layer: int, vector: Tensor) -> Tensor:
                if not gradients[layer].requires_grad:
                    return torch.zeros_like(vector)
                (result,) = torch.autograd.grad(
                    gradients[layer],
                    weights[layer],
                    vector.to(weights[layer].dtype),
                    retain_graph=True,
                    materialize_grads=True,
                )
                return result.detach()

            yield product, len(losses)
    finally:
        for weight in weights:
            weight.requires_grad_(False)


class Graphs:
    """The graph of one batch at a time, opened when a chunk needs it, freed by the next batch's."""

    def __init__(self, context: Context) -> None:
        self._context, self._stack = context, ExitStack()
        self._open: dict[int, tuple[Product, int]] = {}

    def __enter__(self) -> Graphs:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def of(self, number: int) -> tuple[Product, int]:
        """`hessian_products` of a batch."""
        if number not in self._open:
            self._stack.close()
            self._open.clear()
            opened = hessian_products(self._context, self._context.batches[number])
            self._open[number] = self._stack.enter_context(opened)
        return self._open[number]


def rademacher(context: Context, layer: int, draw: int) -> Tensor:
    """A vector of random signs, the same for the same seed, layer and draw."""
    seed = (context.seed * 1_000_003 + layer) * 1_000_003 + draw
    generator = torch.Generator().manual_seed(seed % (1 << 63))
    weight = context.layers[layer].weight
    signs = torch.randint(2, weight.shape, generator=generator).mul_(2).sub_(1)
    return signs.to(weight.device, weight.dtype)


def mean_square_delta(context: Context, layer: int) -> Tensor:
    """(J,) ||dw||^2 / n_l in float64."""
    return context.delta(layer).double().flatten(1).square().mean(dim=1).cpu()
