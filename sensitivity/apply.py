"""Apply an allocation: a copy of the network whose weights are quantized as chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bitknap.problems.errors import DataError

from .quantization.choices import parse_label
from .quantization.quantizers import Quantizer
from .table.provenance import hash_model
from .table.table import LayerInfo, SensitivityTable
from .tracing.capture import without_fused_attention
from .tracing.folding import plain_copy
from .tracing.inputs import QuantizeInputs

if TYPE_CHECKING:
    from typing import Protocol

    class Solution(Protocol):
        """The part of `bitknap.solvers.Solution` that is used here."""

        @property
        def labels(self) -> Mapping[str, str] | None:
            """Layer -> label, or None without a choice."""


def quantized_copy(
    model: nn.Module,
    layers: Sequence[LayerInfo],
    allocation: Mapping[str, int | str],
    quantizer: Quantizer | None = None,
) -> nn.Module:
    """A copy of the model with Q_b(w) in place of w (fake quantization, float arithmetic).

    Args:
        model: the float network; not changed. Parametrized weights are folded into plain ones.
        layers: the table's layers.
        allocation: layer name -> choice; layers left out stay in float.
        quantizer: the one that the table was computed with.

    Raises:
        DataError: the allocation names a layer that the table does not have, or the network lacks
            a layer, or has it in another shape.
    """
    quantizer = quantizer or Quantizer()
    unknown = set(allocation) - {layer.name for layer in layers}
    if unknown:
        raise DataError(f"the allocation names layer {min(unknown)!r}, which the table lacks")
    quantized = plain_copy(model)
    with torch.no_grad():
        for layer in layers:
            if layer.name in allocation:
                weight = _weight(quantized, layer)
                choice, _ = parse_label(str(allocation[layer.name]))
                weight.copy_(quantizer(weight, choice, dim=layer.channel_dim))
    return quantized


def apply_plan(
    model: nn.Module,
    table: SensitivityTable,
    plan: Mapping[str, int | str] | Solution,
    quantizer: Quantizer | None = None,
) -> nn.Module:
    """A copy of the model with a plan's weights and, where the plan has any, activations.

    Weights are quantized as the table's were. Inputs are quantized where the network calls a
    function with one of the weights; its code and its class stay as they are. Calls that bypass
    the copy's ``forward`` see quantized weights and float inputs.

    Args:
        model: the float network of the table; not changed.
        table: gives the layers, the quantizer and the calibrated grids.
        plan: layer name -> label, for every layer of the table; or a solution of its instance.
        quantizer: an equal one, e.g. with a cache; by default the table's.

    Raises:
        DataError: the plan does not fit the table, the network has other weights than the
            table's, or the quantizer is another one.
    """
    choices = _choices(plan)
    table.positions(choices)
    described = table.provenance.get("quantizer")
    if quantizer is None:
        quantizer = Quantizer() if described is None else Quantizer.described(described)
    elif described is not None and quantizer.describe() != described:
        raise DataError(
            f"the table was made with another quantizer, {described}; leave quantizer= out"
        )
    refuse_other_weights(model, table)
    plan = choices
    quantized = quantized_copy(model, table.layers, plan, quantizer)
    if table.activations is None:
        return quantized
    grids = {}
    for layer, item in zip(table.layers, table.positions(plan).tolist(), strict=True):
        grid = table.activations.at(item)
        if grid.scale:
            weight = quantized.get_parameter(layer.parameter)
            grids[id(weight)] = (weight, grid)
    plain = quantized.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with without_fused_attention(), QuantizeInputs(grids):
            return plain(*args, **kwargs)

    object.__setattr__(quantized, "forward", forward)
    return quantized


def refuse_other_weights(model: nn.Module, table: SensitivityTable) -> None:
    """Refuse a network whose weights are not those that a table was computed from.

    Raises:
        DataError: they differ, or the model is not a module.
    """
    if not isinstance(model, nn.Module):
        raise DataError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    known = table.provenance.get("model")
    if known is not None and hash_model(model) != known:
        raise DataError(
            "the network has other weights than the one that the table was computed from; compute "
            "the table again, or load the original weights"
        )


def _choices(plan: Mapping[str, int | str] | Solution) -> Mapping[str, int | str]:
    if isinstance(plan, Mapping):
        return plan
    labels = getattr(plan, "labels", None)
    if labels is None:
        status = getattr(plan, "status", None)
        got = type(plan).__name__ if status is None else f"a solution without a choice ({status})"
        raise DataError(f"a plan must be a mapping of layer -> bits or a Solution, got {got}")
    return dict(labels)


def _weight(model: nn.Module, layer: LayerInfo) -> nn.Parameter:
    try:
        weight = model.get_parameter(layer.parameter)
    except AttributeError:
        raise DataError(
            f"the network has no parameter {layer.parameter!r}, which the table names; was the "
            "table made from another network?"
        ) from None
    if tuple(weight.shape) != layer.shape:
        raise DataError(
            f"{layer.parameter} has shape {tuple(weight.shape)}, in the table {layer.shape}"
        )
    return weight
