"""Run a network on all batches once, and see which weights it uses, where, and how often."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitknap.problems.errors import UnsupportedError

from ..quantization.channels import ChannelDim, Channels
from .batches import Batch, layout, tensors
from .capture import Run, Watch
from .kinds.base import LayerKind, Use
from .products import Product, product_of

Objective = Callable[[Batch], tuple[Any, Tensor]]
"""Runs the network on a batch: its output, and the (N,) losses."""


@dataclass(frozen=True)
class WeightUse:
    """One use of a weight.

    Args:
        kind: of layer, or the call's name.
        channel_dim: what of the weight indexes output channels; None where that is not known.
        macs: multiply-accumulates, all samples together.
        rows: first dimension of the layer's input; None where no kind of layer covers the call.
        digest: of the layer's output; None likewise.
    """

    kind: str
    channel_dim: ChannelDim | None
    macs: int
    rows: int | None = None
    digest: Tensor | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class BatchTrace:
    """What one batch showed.

    Args:
        samples: N.
        losses: (N,) of the float network.
        uses: of each weight by id, in the order of first use.
        layout: nesting, shapes and types of the batch.
        eps: the machine epsilon of the coarsest type that anything was computed in.
    """

    samples: int
    losses: Tensor
    uses: dict[int, list[WeightUse]]
    layout: Any
    eps: float

    def signature(self, keys: Sequence[int]) -> Any:
        """Layout and uses of some weights: equal where they are used in the same way."""
        used = tuple(
            (place, seen.kind, seen.rows)
            for place, key in enumerate(keys)
            for seen in self.uses.get(key, ())
        )
        return self.layout, used


@dataclass(eq=False)
class Tracer:
    """Traces a network batch by batch.

    Args:
        model: in evaluation mode, no parameter requiring a gradient.
        objective: runs it.
        original: the user's network, where ``model`` is a copy of it.
    """

    model: nn.Module
    objective: Objective
    original: nn.Module
    weights: dict[int, nn.Parameter] = field(init=False)
    _buffers: dict[str, Tensor] = field(init=False)
    _traced: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._buffers = {name: value.clone() for name, value in self.model.named_buffers()}
        self.weights = {
            id(p): p
            for p in self.model.parameters()
            if p.dim() > 1 and p.numel() and p.is_floating_point()
        }

    def run(self, batch: Batch) -> tuple[BatchTrace, Any]:
        """What a batch shows, and the network's output on it.

        Raises:
            UnsupportedError: the network changes a weight or a buffer.
        """
        observer = _Observer(
            self.weights, {id(p): name for name, p in self.model.named_parameters()}
        )
        # A copy of the weights for the first batch, and only then, to undo what a network does.
        kept = {} if self._traced else {p: p.detach().clone() for _, p in self._parameters()}
        self._traced = True
        try:
            with torch.no_grad(), observer:
                output, losses = self.objective(batch)
        except BaseException:
            self._undo(kept)
            raise
        changed = [n for n, p in self._parameters() if p in kept and not same(p, kept[p])]
        buffers = [n for n, value in self._known_buffers() if not same(value, self._buffers[n])]
        if changed or buffers:
            self._undo(kept)
        if changed:
            raise UnsupportedError(f"a forward pass changes the weight {changed[0]} in place")
        if buffers:
            raise UnsupportedError(
                f"a forward pass changes the buffer {buffers[0]}; normalise with stored statistics"
            )
        losses, eps = losses.detach(), max(observer.eps, coarsest(losses))
        return BatchTrace(len(losses), losses, observer.seen, layout(batch), eps), output

    def _parameters(self) -> list[tuple[str, nn.Parameter]]:
        return [*self.model.named_parameters(), *self.original.named_parameters()]

    def _known_buffers(self) -> list[tuple[str, Tensor]]:
        return [(n, value) for n, value in self.model.named_buffers() if n in self._buffers]

    def _undo(self, kept: Mapping[nn.Parameter, Tensor]) -> None:
        """Give buffers and weights their values of before back."""
        with torch.no_grad():
            for name, value in self._known_buffers():
                if value.shape == self._buffers[name].shape:
                    value.copy_(self._buffers[name])
            for parameter, value in kept.items():
                parameter.copy_(value)


def same(one: Tensor, other: Tensor) -> bool:
    """Whether all values are equal, those that are not numbers included."""
    return torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))


def digest(output: Tensor) -> Tensor:
    """(R,) a number for each row of an output, which tells rows apart: a sum of some magnitudes."""
    rows = (output if output.dim() > 1 else output[:, None]).detach().flatten(1)
    step = max(1, rows.shape[1] // 64)
    return rows[:, ::step].double().abs().sum(1)


def coarsest(output: Any) -> float:
    """The largest machine epsilon of the floating tensors in a value."""
    kinds = {t.dtype for t in tensors(output) if t.is_floating_point()}
    return max((torch.finfo(kind).eps for kind in kinds), default=0.0)


class _Observer(Watch):
    """Notes every call that reads a watched weight or a view of it."""

    def __init__(self, weights: dict[int, nn.Parameter], names: dict[int, str]) -> None:
        super().__init__(weights, self._note_use)
        self.seen: dict[int, list[WeightUse]] = {}
        self.eps = 0.0
        self._names = names
        self._noted = 0
        self._owners: dict[int, list[tuple[int, Tensor]]] = {}
        for key, weight in weights.items():
            self._owners.setdefault(_storage(weight), []).append((key, weight))

    def call(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Note the call's use of a watched weight, if any."""
        if func in (F.embedding, F.embedding_bag):
            self._refuse_renorm(args, keywords)
        noted = self._noted
        output = super().call(func, args, keywords)
        if self._noted == noted:
            self._note_call(func, args, keywords, output)
        return output

    def _note_use(self, kind: LayerKind, use: Use, run: Run) -> Tensor:
        output = run()
        macs = use.macs(output)
        seen = WeightUse(kind.name, use.channel_dim, macs, use.rows, digest(output))
        self._note(id(use.weight), seen, output)
        return output

    def _note(self, key: int, seen: WeightUse, output: Any) -> None:
        self._noted += 1
        self.seen.setdefault(key, []).append(seen)
        self.eps = max(self.eps, coarsest(output))

    def _note_call(self, func: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Note uses that no kind of layer covers; a view of a weight is none yet."""
        produced = tensors(output)
        if not produced or isinstance(output, torch.Size):
            return
        for operand in tensors([*args, *kwargs.values()]):
            found = self._owner(operand)
            if found is None or any(_storage(t) == _storage(operand) for t in produced):
                continue
            key, weight = found
            product = self._product(func, args, kwargs, operand, output)
            dim = _channel_dim(weight, operand, product.outputs)
            self._note(key, WeightUse(product.kind, dim, product.macs), output)

    def _product(self, func: Any, args: Any, kwargs: Any, operand: Tensor, output: Any) -> Product:
        kind = self._handlers.get(func)
        if isinstance(kind, LayerKind):
            use = kind.bind(*args, **kwargs)
            if use is not None and use.weight is operand:
                dim = use.channel_dim
                outputs = dim.dims if isinstance(dim, Channels) else (dim,)
                return Product(kind.name, outputs, use.macs(tensors(output)[0]))
        try:
            return product_of(func, args, kwargs, operand, output)
        except (IndexError, KeyError, StopIteration, TypeError, ValueError):
            return Product("other")

    def _owner(self, operand: Tensor) -> tuple[int, Tensor] | None:
        """The watched weight that a tensor is, or is a view of."""
        key = id(operand)
        if key in self._weights:
            return key, self._weights[key]
        if not operand.is_floating_point() or not operand.dim():
            return None
        for key, weight in self._owners.get(_storage(operand), ()):
            if 0 <= operand.storage_offset() - weight.storage_offset() < weight.numel():
                return key, weight
        return None

    def _refuse_renorm(self, args: Any, kwargs: Any) -> None:
        """Both functions take ``max_norm`` fourth."""
        if kwargs.get("max_norm") is not None or (len(args) > 3 and args[3] is not None):
            given = tensors([*args, *kwargs.values()])
            name = next((self._names[id(t)] for t in given if id(t) in self._names), "an embedding")
            raise UnsupportedError(
                f"{name} has max_norm, which changes its rows whenever they are read; renormalise "
                "the weight once and set max_norm=None"
            )


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return id(tensor)


def _channel_dim(
    weight: Tensor, operand: Tensor, outputs: tuple[int, ...] | None
) -> ChannelDim | None:
    """The weight's channels, from the dimensions of a view of it that index outputs.

    A dimension of the view is the one of the weight with the same stride; those that indexing took
    away choose among weights, so they index channels too.
    """
    if outputs is None:
        return None
    kept = {dim: weight.stride(dim) for dim in range(weight.dim()) if weight.shape[dim] > 1}
    by_stride = {stride: dim for dim, stride in kept.items()}
    places = [by_stride.get(stride) for stride in operand.stride()]
    wide = [place for place, size in zip(places, operand.shape, strict=True) if size > 1]
    if None in wide:
        return None
    taken = set(kept) - {place for place in wide if place is not None}
    dims = sorted(taken | {place for i in outputs if (place := places[i]) is not None} & set(kept))
    if not dims or len(dims) == len(kept):
        return None
    return dims[0] if len(dims) == 1 else Channels(tuple(dims))


def execution_order(keys: Sequence[int], traces: Sequence[BatchTrace]) -> list[int]:
    """The used weights by first use, the same whatever the size and the order of the batches.

    Two weights stand as in the batches that use both; those that no batch orders, or that
    batches order in two ways, stand as the network registers them.

    Args:
        keys: all weights in the order of registration.
        traces: of all batches.
    """
    place = {key: number for number, key in enumerate(keys)}
    after: dict[int, set[int]] = {}
    for trace in traces:
        for one, other in itertools.pairwise(trace.uses):
            after.setdefault(one, set()).add(other)
    used = {key for trace in traces for key in trace.uses}
    before = dict.fromkeys(used, 0)
    for others in after.values():
        for key in others:
            before[key] += 1
    ready = [place[key] for key in used if not before[key]]
    heapq.heapify(ready)
    order: list[int] = []
    left = set(used)
    while left:
        key = keys[heapq.heappop(ready)] if ready else min(left, key=place.__getitem__)
        if key not in left:
            continue
        left.remove(key)
        order.append(key)
        for other in after.get(key, ()):
            before[other] -= 1
            if not before[other] and other in left:
                heapq.heappush(ready, place[other])
    return order
