"""An exported network beside the applied one: how far their outputs are apart."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.batches import Batch, Forward, take, tensors

SAMPLES = 16


def output_difference(
    network: nn.Module,
    loaded: nn.Module,
    batches: Iterable[Batch],
    forward: Forward,
    samples: int = SAMPLES,
) -> float:
    """Largest difference of the outputs, as a share of the largest output.

    Args:
        network: the applied network.
        loaded: what a runtime makes of its file.
        batches: whole batches are taken while there are samples left, the last one in part.
        forward: ``forward(model, batch)``.
        samples: how many.

    Raises:
        DataError: there are no batches, the file does not run, or the outputs differ in number or
            shape.
    """
    difference, largest, left = 0.0, 0.0, samples
    for batch in batches:
        if left <= 0:
            break
        some = take(batch, slice(0, left))
        left -= len(tensors(some)[0])
        with torch.inference_mode():
            wanted = _floats(forward(network, some))
            try:
                found = _floats(forward(loaded, some))
            except RuntimeError as error:
                raise DataError(f"the file does not run: {str(error)[:300]}") from error
        if [value.shape for value in wanted] != [value.shape for value in found]:
            raise DataError("the file gives outputs of other shapes than the network")
        for one, other in zip(wanted, found, strict=True):
            difference = max(difference, float((one - other).abs().max()))
            largest = max(largest, float(one.abs().max()))
    if left == samples:
        raise DataError("comparing outputs needs a batch of samples")
    return difference / largest if largest else difference


def _floats(output: object) -> list[Tensor]:
    return [value.double() for value in tensors(output) if value.numel()]
