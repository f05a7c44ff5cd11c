"""The input of a metric: the network, its layers, the data, and the perturbations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

from ..quantization.activations import quantized
from ..quantization.choices import Choice
from ..quantization.grids import Grid
from ..quantization.quantizers import Quantizer
from ..resume.checkpoint import Checkpoint
from ..resume.checkpoint import Progress as Progress
from ..table.archive import Arrays
from ..tracing.batches import Batch, Forward, LossFn, per_sample
from ..tracing.capture import backward_through
from ..tracing.discovery import Layer
from ..tracing.gradients import Reads, Value, sample_gradients
from ..tracing.kinds.base import Use
from ..tracing.proof import perturbations
from ..tracing.tracer import BatchTrace


@dataclass(frozen=True, eq=False)
class MetricResult:
    """What a metric computed.

    Args:
        omega: (n,) float64, one value per item.
        scores: (N, n) per-sample scores, or None.
        passes: sweeps over the data, a forward or a backward pass counting one.
        error: (n,) standard error of Omega where it does not follow from scores.
        interactions: (n, n) changes beyond the sum for pairs of items, where measured.
    """

    omega: NDArray[np.float64]
    scores: NDArray[np.floating[Any]] | None
    passes: float
    error: NDArray[np.float64] | None = None
    interactions: NDArray[np.float64] | None = None


class Metric(Protocol):
    """Predicts the loss increase of quantizing a layer; a frozen dataclass of its parameters."""

    @property
    def name(self) -> str:
        """Name, equal to the file's stem."""

    @property
    def passes(self) -> str:
        """Cost in words: forward and backward passes over the data."""

    @property
    def has_scores(self) -> bool:
        """Whether per-sample scores come with it."""
        return True

    @property
    def statistic(self) -> str:
        """How Omega arises from the scores; see `SensitivityTable`."""
        return "mean"

    @property
    def uses_loss(self) -> bool:
        """Whether the loss, and so labels, are needed."""
        return True

    def compute(self, context: Context) -> MetricResult:
        """Omega of every item.

        A metric with an attribute ``gradients`` that is False takes no gradients of weights.
        """


@dataclass(eq=False)
class Context:
    """Everything a metric may use; results of shared passes are computed once.

    Args:
        model: in evaluation mode, no parameter requiring gradients.
        forward: ``forward(model, batch)`` -> output.
        loss_fn: ``loss_fn(output, batch)`` -> one loss per sample.
        quantizer: gives the perturbations dw = Q_b(w) - w.
        grids: of each layer, one per activation choice; empty where weights alone are quantized.
        seed: of everything random.
        progress: called with (what, done, total).
        fast: ids of the weights whose scores the fast path gives, see `proof.provable`; the others
            take the general one. None stands for all.
        excluded: names of layers that are left out of the table afterwards.
        loss_reads_weights: whether the loss depends on weights beside the output.
        reuse: whether replaying the network's prefix has been right so far.
        replayed: layers whose replay has been compared with a plain run.
    """

    model: nn.Module
    layers: Sequence[Layer]
    batches: Sequence[Batch]
    forward: Forward
    loss_fn: LossFn
    bits: Sequence[Choice]
    quantizer: Quantizer
    seed: int = 0
    grids: Sequence[Sequence[Grid]] = ()
    progress: Progress = lambda what, done, total: None
    metrics: Sequence[Metric] = ()
    measured: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    traces: Sequence[BatchTrace] = ()
    fast: Collection[int] | None = None
    excluded: Collection[str] = ()
    loss_reads_weights: bool = False
    reuse: bool = True
    replayed: set[int] = field(default_factory=set)
    _deltas: dict[int, Tensor] = field(default_factory=dict)
    _passes: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Items a layer: weight choices, each with every activation choice."""
        return len(self.bits) * (len(self.grids[0]) if self.grids else 1)

    @property
    def items(self) -> int:
        """n, number of items of all layers."""
        return len(self.layers) * self.width

    @property
    def weights(self) -> Mapping[int, Tensor]:
        """The layers' weights by id."""
        return {id(layer.weight): layer.weight for layer in self.layers}

    @property
    def place(self) -> Mapping[int, int]:
        """Index of each layer by its weight's id."""
        return {id(layer.weight): index for index, layer in enumerate(self.layers)}

    def columns(self, layer: int) -> slice:
        """The items of a layer."""
        return slice(layer * self.width, (layer + 1) * self.width)

    def delta(self, layer: int) -> Tensor:
        """(J, *shape) perturbations Q_b(w) - w, in float32 or the weight's wider type."""
        if layer not in self._deltas:
            info, weight = self.layers[layer].info, self.layers[layer].weight.detach()
            exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
            changes = perturbations(len(self.bits), exact)
            done = len(self._deltas) * len(self.bits)
            total = len(self.layers) * len(self.bits)
            try:
                for number, bits in enumerate(self.bits):
                    self.progress("perturbations", done + number, total)
                    value = self.quantizer(exact, bits, dim=info.channel_dim)
                    torch.sub(value, exact, out=changes[number])
            except DataError as error:
                raise DataError(f"layer {info.name}: {error}") from None
            self._deltas[layer] = changes
        return self._deltas[layer]

    def losses(self, batch: Batch) -> Tensor:
        """(N,) loss of each sample of the batch."""
        return per_sample(self.loss_fn(self.forward(self.model, batch), batch))

    def forwards(self) -> Iterator[Any]:
        """The network's output on every batch."""
        total = len(self.batches)
        for number, batch in enumerate(self.batches):
            self.progress("calibration of activations", number, total)
            yield self.forward(self.model, batch)

    def rows(
        self, what: str, compute: Callable[[int, Batch], NDArray[Any]], settings: object = ""
    ) -> NDArray[Any]:
        """(N, ...) values of all samples, each batch a chunk that is kept when it is finished."""

        def chunk(number: int) -> Arrays:
            return {"rows": compute(number, self.batches[number])}

        parts = self.checkpoint.map(what, len(self.batches), chunk, self.progress, settings)
        return np.concatenate([part["rows"] for part in parts])

    def cells(
        self,
        what: str,
        compute: Callable[[int, int], Arrays],
        settings: object = "",
        batches: int | None = None,
    ) -> Iterator[tuple[int, int, Arrays]]:
        """(batch, layer, result), each pair a chunk, the layers of a batch one after the other."""
        depth = len(self.layers)
        count = depth * (len(self.batches) if batches is None else batches)

        def chunk(number: int) -> Arrays:
            return compute(*divmod(number, depth))

        for number, result in enumerate(
            self.checkpoint.map(what, count, chunk, self.progress, settings)
        ):
            yield *divmod(number, depth), result

    def loss_scores(self) -> NDArray[np.floating[Any]]:
        """(N, n) scores s of the loss itself; computed once."""
        if "loss" not in self._passes:
            self._passes["loss"] = self.rows(
                "scores", lambda number, _: self.scores(number, self.value_of_loss)
            )
        return self._passes["loss"]

    def require_loss_of_output(self) -> None:
        """Refuse a loss whose change cannot be computed from a changed output.

        Raises:
            UnsupportedError: it reads weights itself.
        """
        if self.loss_reads_weights:
            raise UnsupportedError(
                "the loss reads weights of the model beside its output, so its change cannot be "
                "measured from outputs; use fisher, or a loss of output and batch alone"
            )

    def value_of_loss(self, piece: Batch, rows: slice) -> Tensor:
        """(n,) losses, as `scores` wants what it differentiates."""
        return self.losses(piece)

    @property
    def fast_weights(self) -> Mapping[int, Tensor]:
        """Weights of the layers that take the fast path, by id."""
        fast = self.fast
        return {key: w for key, w in self.weights.items() if fast is None or key in fast}

    @property
    def general_weights(self) -> Sequence[Tensor]:
        """Weights of the layers that take the general path."""
        fast = self.fast_weights
        return [layer.weight for layer in self.layers if id(layer.weight) not in fast]

    def scores(self, number: int, value: Value) -> NDArray[np.floating[Any]]:
        """(N, n) scores of one batch: s^w_{n,(l,b)} = ⟨grad_{w_l} value_n, dw_{l,b}⟩.

        With activation choices, an item's score is s^w + s^act, the latter summed over the uses of
        the layer: ⟨dvalue_n/da, Q(a_n) - a_n⟩ with the gradient through that use alone.
        """
        place, batch = self.place, self.batches[number]
        pending: list[tuple[int, Tensor]] = []
        moved: list[tuple[int, Tensor]] = []

        def consume(use: Use, grad: Tensor, samples: int) -> None:
            index = place[id(use.weight)]
            pending.append((index, use.scores(grad, self.delta(index), samples)))

        def read(weight: Tensor, inputs: Tensor, grad: Tensor, samples: int) -> None:
            index = place[id(weight)]
            moved.append((index, _activation_scores(inputs, grad, self.grids[index], samples)))

        if fast := self.fast_weights:
            values, _ = backward_through(
                lambda: value(batch, slice(None)), fast, consume, read=read if self.grids else None
            )
            samples, kind, device = len(values), values.dtype, values.device
        else:
            losses = self.traces[number].losses
            samples, kind, device = len(losses), losses.dtype, losses.device
        kind = torch.promote_types(kind, torch.float32)

        def summed(found: Sequence[tuple[int, Tensor]], choices: int) -> Tensor:
            table = torch.zeros(samples, len(self.layers), choices, dtype=kind, device=device)
            for index, scores in found:
                table[:, index] += scores
            return table

        table = summed(pending, len(self.bits))
        inputs = summed(moved, len(self.grids[0])) if self.grids else None
        for row, (gradients, reads) in enumerate(self.general_gradients(number, value)):
            for index, gradient in gradients.items():
                change = self.delta(index).flatten(1)
                table[row, index] += change @ gradient.to(change.dtype).flatten()
            for weight, read_values, gradient in reads:
                index = place[id(weight)]
                assert inputs is not None
                added = _activation_scores(read_values, gradient, self.grids[index], 1)
                inputs[row, index] += added[0]
        if inputs is not None:
            table = table.unsqueeze(3) + inputs.unsqueeze(2)
        return table.flatten(1).cpu().numpy()

    def general_gradients(
        self, number: int, value: Value
    ) -> Iterator[tuple[dict[int, Tensor], Reads]]:
        """Gradients by the layers that take the general path, sample by sample of a batch.

        By the number of the layer, those that the value does not depend on left out; with
        activation choices also what uses of the layers read.
        """
        weights = self.general_weights
        if not weights:
            return
        trace, place = self.traces[number], self.place
        found = sample_gradients(
            self.batches[number],
            trace.samples,
            value,
            weights,
            tapped=bool(self.grids),
            expected=trace.losses if value == self.value_of_loss else None,
            eps=trace.eps,
        )
        done = sum(other.samples for other in self.traces[:number])
        total = sum(other.samples for other in self.traces)
        what = f"{len(weights)} of {len(self.layers)} layers one sample at a time"
        for row, (gradients, reads) in enumerate(found):
            self.progress(what, done + row, total)
            pairs = zip(weights, gradients, strict=True)
            yield {place[id(w)]: g for w, g in pairs if g is not None}, reads


def on_host(values: Tensor) -> NDArray[Any]:
    """The values on the host, in a type that NumPy has."""
    return values.to(torch.promote_types(values.dtype, torch.float32)).cpu().numpy()


def _activation_scores(inputs: Tensor, grad: Tensor, grids: Sequence[Grid], samples: int) -> Tensor:
    """(N, A) scores of one use's activations."""
    kind = torch.promote_types(inputs.dtype, torch.float32)
    exact, slope = inputs.to(kind), grad.to(kind)
    columns = [
        ((quantized(exact, grid) - exact) * slope).reshape(samples, -1).sum(dim=1) for grid in grids
    ]
    return torch.stack(columns, dim=1)
