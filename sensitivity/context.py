"""What a metric works with: the network, its layers, the data, and the perturbations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

from .capture import backward_through
from .kinds.base import Use
from .layers import Layer
from .quantizers import Quantizer

Batch = Any
Forward = Callable[[nn.Module, Batch], Any]
LossFn = Callable[[Any, Batch], Tensor]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class MetricResult:
    """What a metric computed.

    Args:
        omega: (n,) float64, one value an item.
        scores: (N, n) per-sample scores, or None.
        passes: sweeps over the data, a forward or a backward pass counting one.
    """

    omega: NDArray[np.float64]
    scores: NDArray[np.floating[Any]] | None
    passes: float


@dataclass(eq=False)
class Context:
    """Everything a metric may use; results of shared passes are computed once.

    Args:
        model: in evaluation mode, no parameter requiring gradients.
        layers: the L quantizable layers.
        batches: all batches of the calibration data.
        forward: ``forward(model, batch)`` -> output.
        loss_fn: ``loss_fn(output, batch)`` -> one loss a sample.
        bits: candidate bit-widths, the same for every layer.
        quantizer: gives the perturbations dw = Q_b(w) - w.
        seed: of everything random.
        progress: called with (what, done, total).
    """

    model: nn.Module
    layers: Sequence[Layer]
    batches: Sequence[Batch]
    forward: Forward
    loss_fn: LossFn
    bits: Sequence[int]
    quantizer: Quantizer
    seed: int = 0
    progress: Progress = lambda what, done, total: None
    _deltas: dict[int, Tensor] = field(default_factory=dict)
    _passes: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """n, number of (layer, bit-width) pairs."""
        return len(self.layers) * len(self.bits)

    @property
    def weights(self) -> Mapping[int, Tensor]:
        """The layers' weights by id."""
        return {id(layer.weight): layer.weight for layer in self.layers}

    def columns(self, layer: int) -> slice:
        """The items of a layer."""
        return slice(layer * len(self.bits), (layer + 1) * len(self.bits))

    def delta(self, layer: int) -> Tensor:
        """(J, *shape) perturbations Q_b(w) - w, in float32 or the weight's wider type."""
        if layer not in self._deltas:
            info, weight = self.layers[layer].info, self.layers[layer].weight.detach()
            exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
            try:
                changes = [
                    self.quantizer(exact, bits, dim=info.channel_dim) - exact for bits in self.bits
                ]
            except DataError as error:
                raise DataError(f"layer {info.name}: {error}") from None
            self._deltas[layer] = torch.stack(changes)
        return self._deltas[layer]

    def losses(self, batch: Batch) -> Tensor:
        """(N,) loss of each sample of the batch."""
        return per_sample(self.loss_fn(self.forward(self.model, batch), batch))

    def sweep(self, what: str) -> Iterator[tuple[int, Batch]]:
        """The batches with their number, reporting progress."""
        total = len(self.batches)
        for number, batch in enumerate(self.batches):
            self.progress(what, number, total)
            yield number, batch
        self.progress(what, total, total)

    def loss_scores(self) -> NDArray[np.floating[Any]]:
        """(N, n) scores s of the loss itself; computed once."""
        if "loss" not in self._passes:
            parts = [self.scores(partial(self.losses, batch)) for _, batch in self.sweep("scores")]
            self._passes["loss"] = np.concatenate(parts)
        return self._passes["loss"]

    def scores(self, objective: Callable[[], Tensor]) -> NDArray[np.floating[Any]]:
        """(N, n) scores s_{n,(l,b)} = <grad_{w_l} value_n, dw_{l,b}> of one batch."""
        place = {id(layer.weight): index for index, layer in enumerate(self.layers)}
        pending: list[tuple[int, Tensor]] = []

        def consume(use: Use, grad: Tensor, samples: int) -> None:
            index = place[id(use.weight)]
            pending.append((index, use.scores(grad, self.delta(index), samples)))

        values, _ = backward_through(objective, self.weights, consume)
        kind = torch.promote_types(values.dtype, torch.float32)
        table = torch.zeros(len(values), self.items, dtype=kind, device=values.device)
        for index, scores in pending:
            table[:, self.columns(index)] += scores
        return table.cpu().numpy()


def per_sample(losses: Tensor) -> Tensor:
    """The losses, checked to be one a sample."""
    if not isinstance(losses, Tensor) or losses.dim() != 1:
        got = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise UnsupportedError(
            f"the loss function must return one loss a sample, a tensor of shape (N,), got {got}; "
            "use reduction='none' and average over everything but the samples"
        )
    return losses


def default_forward(model: nn.Module, batch: Batch) -> Any:
    """``model(batch[0])`` for a pair, ``model(**batch)`` for a dict, ``model(batch)`` else."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(batch[0]) if isinstance(batch, tuple | list) else model(batch)


def cross_entropy(output: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each sample against its label, averaged over positions if any.

    Labels are ``batch[1]``, or the batch's entry ``labels`` or ``label`` when it is a dict.
    """
    losses = F.cross_entropy(logits(output), labels(batch), reduction="none")
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def logits(output: Any) -> Tensor:
    """The tensor of class scores (N, C, ...): the output itself, its ``logits``, or its first."""
    if isinstance(output, Mapping) and "logits" in output:
        output = output["logits"]
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise UnsupportedError(
            "the model's output must be a tensor, a tuple that starts with one, or a mapping with "
            f"'logits', got {type(output).__name__}; pass forward= to extract it"
        )
    return output


def labels(batch: Batch) -> Tensor:
    """The labels of a batch."""
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in ("labels", "label") if key in batch), None)
    else:
        found = batch[1] if isinstance(batch, tuple | list) and len(batch) > 1 else None
    if not isinstance(found, Tensor):
        raise UnsupportedError(
            "the batch holds no labels at batch[1], batch['labels'] or batch['label']; "
            "pass loss_fn=, or use a metric without labels"
        )
    return found
