"""Find the quantizable layers of a network by tracing one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bitknap.problems.errors import UnsupportedError

from .batches import Batch, cut
from .capture import Run, Watch
from .kinds.base import LayerKind, Use
from .table import LayerInfo


@dataclass(frozen=True, eq=False)
class Layer:
    """A quantizable layer of a live network: its description and its weight."""

    info: LayerInfo
    weight: nn.Parameter


@dataclass(frozen=True, eq=False)
class Discovery:
    """What a traced pass found.

    Args:
        layers: in the order of their first use.
        ignored: parameters of two or more dimensions left in float, each with the reason.
        samples: number of samples of the traced batch.
    """

    layers: tuple[Layer, ...]
    ignored: dict[str, str]
    samples: int


def discover_layers(
    model: nn.Module, objective: Callable[[Batch], Tensor], batch: Batch
) -> Discovery:
    """The layers that a forward pass uses, in execution order, with MACs a sample.

    A second pass over fewer samples tells the inputs that do not run over samples, such as the
    positions that an embedding is given.

    Args:
        model: any module.
        objective: runs the model on a batch and returns one loss a sample, (N,).
        batch: what it is run on.

    Raises:
        UnsupportedError: no layer was found.
    """
    names = _names(model)
    weights = {id(parameter): parameter for parameter in model.parameters()}
    seen, samples = _uses(weights, objective, batch)
    fewer = cut(batch, samples, 2 if samples > 2 else 1)
    few_seen, few = _uses(weights, objective, fewer) if fewer is not batch else (seen, samples)
    layers = []
    ignored = {
        names[key][0]: "not used as a layer's weight in the traced pass"
        for key, weight in weights.items()
        if weight.dim() > 1 and key not in seen
    }
    for key, uses in seen.items():
        first, *others = names[key]
        rows = [count for _, _, count in uses]
        odd = next((count for count in rows if count % samples), None)
        if odd is not None:
            ignored[first] = f"its input has {odd} rows for {samples} samples"
            continue
        few_rows = [count for _, _, count in few_seen.get(key, ())]
        if [few * count for count in rows] != [samples * count for count in few_rows]:
            ignored[first] = (
                f"its input has {max(rows)} rows for {samples} samples and "
                f"{max(few_rows, default=0)} for {few}"
            )
            continue
        weight = weights[key]
        info = LayerInfo(
            name=_layer_name(first),
            kind=uses[0][0].name,
            shape=tuple(weight.shape),
            macs=sum(macs for _, macs, _ in uses) // samples,
            parameter=first,
            channel_dim=uses[0][0].channel_dim,
            uses=len(uses),
            shared=tuple(_layer_name(name) for name in others),
        )
        layers.append(Layer(info, weight))
    if not layers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in ignored.items())
        raise UnsupportedError(
            "the traced forward pass used no weight of a layer that can be quantized"
            + (f" ({reasons})" if reasons else "")
        )
    return Discovery(tuple(layers), ignored, samples)


def _uses(
    weights: dict[int, nn.Parameter], objective: Callable[[Batch], Tensor], batch: Batch
) -> tuple[dict[int, list[tuple[LayerKind, int, int]]], int]:
    """Kind, MACs and rows of the input of each use of each weight, by id, and the samples."""
    seen: dict[int, list[tuple[LayerKind, int, int]]] = {}

    def visit(kind: LayerKind, use: Use, run: Run) -> Tensor:
        output = run()
        record = (kind, use.macs(output), len(use.inputs))
        seen.setdefault(id(use.weight), []).append(record)
        return output

    with torch.no_grad(), Watch(weights, visit):
        samples = len(objective(batch))
    return seen, samples


def _names(model: nn.Module) -> dict[int, list[str]]:
    """All names of each parameter, by id."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return names


def _layer_name(parameter: str) -> str:
    """Path of the owning module; the parameter's own name when it is not called weight."""
    return parameter.removesuffix(".weight")
