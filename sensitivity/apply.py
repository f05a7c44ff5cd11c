"""Apply an allocation: a copy of the network whose weights are quantized as chosen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError

from .quantization.choices import parse_label
from .quantization.quantizers import Quantizer
from .table.provenance import hash_model
from .table.table import LayerInfo, SensitivityTable
from .tracing.folding import plain_copy


def quantized_copy(
    model: nn.Module,
    layers: Sequence[LayerInfo],
    allocation: Mapping[str, int | str],
    quantizer: Quantizer | None = None,
    kept: Callable[[Hashable, Callable[[], Tensor]], Tensor] = lambda key, compute: compute(),
) -> nn.Module:
    """A copy of the model with Q_b(w) in place of w (fake quantization, float arithmetic).

    Args:
        model: the float network; not changed. Parametrized weights are folded into plain ones.
        allocation: layer name -> choice; layers left out stay in float.
        quantizer: the one that the table was computed with.
        kept: gives the quantized weight of a layer and choice, computed anew or kept before.

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
                compute = partial(quantizer, weight, choice, dim=layer.channel_dim)
                weight.copy_(kept((layer.name, choice), compute))
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
