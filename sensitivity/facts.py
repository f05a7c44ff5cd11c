"""What a table is computed from, as its provenance records it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .quantization.activations import ActivationQuantizer
from .quantization.choices import FLOAT_BITS, Choice
from .quantization.quantizers import Quantizer
from .table.provenance import hash_data, hash_model, versions
from .tracing.batches import Batch, device_of, tensors

PROBED = 8
"""Values of each output that a table's provenance keeps."""


def table_provenance(
    model: nn.Module,
    batches: Sequence[Batch],
    bits: Sequence[Choice],
    quantizer: Quantizer,
    seed: int,
    activations: ActivationQuantizer | None = None,
) -> dict[str, Any]:
    """What a table depends on: recorded with it, and compared to detect a stale one."""
    pairs: dict[str, Any] = {"activation_bits": FLOAT_BITS}
    if activations is not None:
        pairs = {
            "activation_bits": list(activations.bits),
            "activation_quantizer": activations.describe(),
        }
    place = device_of(model).type
    return {
        **({} if place == "cpu" else {"device": place}),
        "model": hash_model(model),
        "data": hash_data(batches),
        "bits": list(bits),
        "quantizer": quantizer.describe(),
        **pairs,
        "seed": seed,
        "versions": versions(),
    }


def behaviour(output: Any, samples: int) -> list[list[float]]:
    """Mean, root mean square and some values of each output, to tell networks apart by.

    Of an output with a row for each sample the first row alone, however the batches are cut.
    """
    found = []
    for tensor in tensors(output):
        if tensor.is_floating_point() and tensor.numel():
            first = tensor[0] if tensor.dim() and len(tensor) == samples else tensor
            flat = first.detach().double().flatten().cpu()
            some = flat[:: max(1, len(flat) // PROBED)][:PROBED]
            found.append([float(flat.mean()), float(flat.square().mean().sqrt()), *some.tolist()])
    return found
