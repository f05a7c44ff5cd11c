"""The layers of a traced network, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from bitknap.problems.errors import UnsupportedError

from ..table.table import LayerInfo
from .batches import Batch
from .gradients import differentiable, gradients
from .tracer import BatchTrace, Tracer, WeightUse, execution_order


@dataclass(frozen=True, eq=False)
class Layer:
    """A quantizable layer of a live network: its description and its weight."""

    info: LayerInfo
    weight: nn.Parameter


def find_hidden(tracer: Tracer, pieces: Sequence[Batch], traces: Sequence[BatchTrace]) -> None:
    """Add weights that no visible call reads, but on which the losses depend."""
    seen = {key for trace in traces for key in trace.uses}
    hidden = [weight for key, weight in tracer.weights.items() if key not in seen]
    for piece, trace in zip(pieces, traces, strict=True):
        if not hidden:
            return
        with differentiable(hidden):
            _, losses = tracer.objective(piece)
            found = gradients(losses.sum(), hidden)
        for weight, slope in zip(hidden, found, strict=True):
            if slope is not None:
                trace.uses[id(weight)] = [WeightUse("other", None, 0)]
        hidden = [w for w, slope in zip(hidden, found, strict=True) if slope is None]


def layers_of(
    tracer: Tracer, traces: Sequence[BatchTrace]
) -> tuple[tuple[Layer, ...], dict[str, str]]:
    """The layers, and the parameters of two or more dimensions left in float, with reasons."""
    names: dict[int, list[str]] = {}
    for name, parameter in tracer.model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    order = execution_order([*tracer.weights], traces)
    samples = sum(trace.samples for trace in traces)
    layers = []
    for key in order:
        weight = tracer.weights[key]
        uses = [seen for trace in traces for seen in trace.uses.get(key, ())]
        first, *others = names[key]
        known = [seen for seen in uses if seen.channel_dim is not None] or uses
        info = LayerInfo(
            name=_layer_name(first),
            kind=next((seen.kind for seen in uses if seen.kind != "other"), "other"),
            shape=tuple(weight.shape),
            macs=round(sum(seen.macs for seen in uses) / samples),
            parameter=first,
            channel_dim=_default_dim(weight) if (dim := known[0].channel_dim) is None else dim,
            uses=max(len(trace.uses.get(key, ())) for trace in traces),
            shared=tuple(_layer_name(name) for name in others),
        )
        layers.append(Layer(info, weight))
    used = set(order)
    ignored = {
        names[id(p)][0]: "not used by the forward pass on any batch"
        if p.is_floating_point()
        else f"its type is {p.dtype}"
        for p in tracer.model.parameters()
        if p.dim() > 1 and id(p) not in used
    }
    if not layers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in ignored.items())
        raise UnsupportedError(
            "the forward pass used no weight of two or more dimensions"
            + (f" ({reasons})" if reasons else "")
        )
    return tuple(layers), ignored


def _default_dim(weight: Tensor) -> int:
    """Of a table such as (1, positions, width) the positions, else the first dimension."""
    wide = [dim for dim, size in enumerate(weight.shape) if size > 1]
    if weight.dim() > 2 and wide and weight.shape[wide[0]] < weight.numel():
        return wide[0]
    return 0


def _layer_name(parameter: str) -> str:
    """Path of the owning module; the parameter's own name when it is not called weight."""
    return parameter.removesuffix(".weight")


def in_order(layers: Sequence[Layer], traces: Sequence[BatchTrace]) -> bool:
    """Whether every batch first uses the layers in their order, and all uses are visible."""
    place = {id(layer.weight): number for number, layer in enumerate(layers)}
    return all(
        [place[key] for key in trace.uses] == sorted(place[key] for key in trace.uses)
        for trace in traces
    )
