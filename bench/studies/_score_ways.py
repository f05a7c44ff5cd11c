"""A network and one batch, and every way to the scores of its items."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.metrics.loss import METRIC as MEASURED_LOSS
from bitknap.sensitivity.metrics.measured import run_items
from bitknap.sensitivity.prepare import NetworkData, prepare
from bitknap.sensitivity.tracing.capture import backward_through, frozen
from bitknap.sensitivity.tracing.losses import cross_entropy

from ..networks.imagenet_resnet import resnet18

BITS = (2, 3, 4, 5, 6, 8)
QUANTIZER = Quantizer(scale="minmax")
FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


TIMED_LAYERS = 5
"""Layers whose items are run to time a measured loss; the items of the others cost the same."""
TIMED_LOSSES = TIMED_LAYERS * len(BITS) + 1


class ScoringCase:
    """A network and one batch of images, every way to the scores of its (layer, bits) items.

    Args:
        layout: ``NCHW`` or ``NHWC``, of the weights and the images in memory.
    """

    def __init__(
        self, network: str, images: int, layout: str = "NCHW", device: str | torch.device = "cpu"
    ) -> None:
        model, (x, y) = NETWORKS[network](images)
        model, x, y = model.to(device), x.to(device), y.to(device)
        self.model: nn.Module = model.to(memory_format=FORMATS[layout])  # type: ignore[call-overload]
        self.model.requires_grad_(False)
        self.batch = (x.contiguous(memory_format=FORMATS[layout]), y)
        self.trained = copy.deepcopy(self.model).requires_grad_(True)

    def prepare(self, quantizer: Quantizer = QUANTIZER) -> None:
        """Find the layers; their perturbations are computed when they are first used."""
        given = NetworkData(
            self.model, [self.batch], BITS, loss_fn=cross_entropy, quantizer=quantizer
        )
        prepared = prepare(given, ())
        self.context = prepared.context
        self.context.reuse = False

    def perturb(self) -> None:
        """Compute the perturbations of all items: once per table, however many images."""
        for layer in range(len(self.context.layers)):
            self.context.delta(layer)

    @cached_property
    def deltas(self) -> dict[str, Tensor]:
        """(J, m) perturbations by the weight's name, stored as torch.func's gradients are."""
        found = {}
        for layer in self.context.layers:
            weight, dim = layer.weight.detach(), layer.info.channel_dim
            moves = [QUANTIZER(weight, bits, dim=dim) - weight for bits in BITS]
            found[layer.info.parameter] = torch.stack(moves).flatten(1)
        return found

    def forward(self) -> Tensor:
        """The losses, no gradient."""
        with torch.no_grad():
            return cross_entropy(self.model(self.batch[0]), self.batch)

    def plain(self) -> None:
        """Forward and backward of the same images, gradients of all parameters kept."""
        self.trained.zero_grad(set_to_none=True)
        torch.autograd.backward(cross_entropy(self.trained(self.batch[0]), self.batch).sum())

    def to_outputs(self) -> None:
        """Forward and backward to the layers' outputs, no weight gradient: what all scores need."""
        losses = partial(self.context.losses, self.batch)
        with frozen(self.model):
            backward_through(losses, self.context.weights, lambda use, grad, samples: None)

    def scores(self) -> Any:
        """The scores of all items by this package."""
        with frozen(self.model):
            return self.context.scores(0, lambda piece, rows: self.context.losses(piece))

    def _functional(self) -> tuple[dict[str, Tensor], Callable[..., Tensor]]:
        """The layers' weights, and the loss of one sample as a function of them."""
        state = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        weights = {name: state.pop(name).detach() for name in self.deltas}

        def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            output = functional_call(self.model, {**state, **weights}, (x[None],))
            return F.cross_entropy(output, y[None])

        return weights, loss

    def per_sample_gradients(self, chunk: int) -> Tensor:
        """The same by torch.func, each sample's gradients contracted inside of vmap."""
        weights, loss = self._functional()

        def sample(x: Tensor, y: Tensor) -> Tensor:
            gradients = grad(loss)(weights, x, y)
            return torch.cat([d @ gradients[name].flatten() for name, d in self.deltas.items()])

        scores: Tensor = vmap(sample, chunk_size=chunk)(*self.batch)
        return scores

    def fastest_chunk(self, seconds: Callable[[Callable[[], Any]], float], least: int = 1) -> int:
        """The chunk_size of least seconds, of the powers of two from the least to the batch."""
        powers = (1 << k for k in range(len(self.batch[1]).bit_length()))
        chunks = [chunk for chunk in powers if chunk >= least]
        times: dict[int, float] = {
            k: seconds(partial(self.per_sample_gradients, k)) for k in chunks
        }
        return min(times, key=lambda chunk: times[chunk])

    def kept_gradients(self) -> Tensor:
        """The same as torch.func is documented: all gradients of the batch, then products."""
        weights, loss = self._functional()
        gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, *self.batch)
        scores = [gradients[name].flatten(1) @ d.T for name, d in self.deltas.items()]
        return torch.cat(scores, dim=1)

    def one_at_a_time(self) -> Tensor:
        """The same by plain autograd, sample by sample."""
        named = dict(self.trained.named_parameters())
        weights = [named[name] for name in self.deltas]
        rows = []
        for x, y in zip(*self.batch, strict=True):
            gradients = torch.autograd.grad(
                F.cross_entropy(self.trained(x[None]), y[None]), weights
            )
            pairs = zip(self.deltas.values(), gradients, strict=True)
            rows.append(torch.cat([delta @ gradient.flatten() for delta, gradient in pairs]))
        return torch.stack(rows)

    def measured(self, layers: int | None, reuse: bool) -> int:
        """Measure the loss of every item of the first layers; returns the number of runs."""
        context = copy.copy(self.context)
        context.layers = context.layers[:layers]
        context.reuse, context.replayed = reuse, set()
        run_items(context, [MEASURED_LOSS])
        return context.items + 1

    def all_losses(self, seconds: float) -> float:
        """Of measuring all items, from the seconds of those of the first `TIMED_LAYERS`."""
        return seconds * (self.context.items + 1) / TIMED_LOSSES


def _imagenet(images: int) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    return resnet18().eval(), (torch.randn(images, 3, 224, 224), torch.randint(1000, (images,)))


def _fashion(images: int) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    from ..workloads.fashion_resnet18 import build

    workload = build()
    return workload.model, workload.calibration(images, 0)[0]


NETWORKS: dict[str, Callable[[int], tuple[nn.Module, tuple[Tensor, Tensor]]]] = {
    "ResNet-18, 224x224": _imagenet,
    "fashion-resnet18": _fashion,
}
