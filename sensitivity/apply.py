"""Apply an allocation: a copy of the network whose weights are quantized as chosen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bitknap.problems.errors import DataError

from .activations import QuantizeInputs
from .capture import without_fused_attention
from .choices import parse_label
from .quantizers import Quantizer
from .table import LayerInfo, SensitivityTable


def quantized_copy(
    model: nn.Module,
    layers: Sequence[LayerInfo],
    allocation: Mapping[str, int | str],
    quantizer: Quantizer | None = None,
) -> nn.Module:
    """A copy of the model with Q_b(w) in place of w (fake quantization, float arithmetic).

    Args:
        model: the float network; not changed.
        layers: the table's layers.
        allocation: layer name -> choice; layers left out stay in float.
        quantizer: the one that the table was computed with.

    Raises:
        DataError: the allocation names a layer that the table does not have.
    """
    quantizer = quantizer or Quantizer()
    unknown = set(allocation) - {layer.name for layer in layers}
    if unknown:
        raise DataError(f"the allocation names layer {min(unknown)!r}, which the table lacks")
    quantized = copy.deepcopy(model)
    with torch.no_grad():
        for layer in layers:
            if layer.name in allocation:
                weight = quantized.get_parameter(layer.parameter)
                choice, _ = parse_label(str(allocation[layer.name]))
                weight.copy_(quantizer(weight, choice, dim=layer.channel_dim))
    return quantized


def apply_plan(
    model: nn.Module,
    table: SensitivityTable,
    plan: Mapping[str, int | str],
    quantizer: Quantizer | None = None,
) -> nn.Module:
    """A copy of the model with a plan's weights and, where the plan has any, activations.

    Inputs are quantized where the network calls a function with one of the weights; its code and
    its class stay as they are. Calls that bypass the copy's ``forward`` see quantized weights and
    float inputs.

    Args:
        model: the float network; not changed.
        table: gives the layers and the calibrated grids.
        plan: layer name -> label; every layer of the table.
        quantizer: the one that the table was computed with.

    Raises:
        DataError: the plan is none of the table's.
    """
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
