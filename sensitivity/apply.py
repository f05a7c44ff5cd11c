"""Apply an allocation: a copy of the network whose weights are quantized as chosen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from bitknap.problems.errors import DataError

from .choices import parse_label
from .quantizers import Quantizer
from .table import LayerInfo


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
