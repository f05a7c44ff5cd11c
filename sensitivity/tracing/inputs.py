"""Runs in which the inputs of layers are read or quantized."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ..quantization.activations import Tap, quantized
from ..quantization.grids import Grid
from .capture import Watch


class QuantizeInputs(Watch):
    """Runs the network with the inputs of some layers quantized, in every use of their weights.

    Args:
        grids: the weight and its grid, by the weight's id.
    """

    def __init__(self, grids: Mapping[int, tuple[Tensor, Grid]]) -> None:
        super().__init__(
            {key: weight for key, (weight, _) in grids.items()},
            lambda kind, use, run: run(),
            lambda weight, inputs: quantized(inputs, grids[id(weight)][1]),
        )


def tapped_run(
    weights: Sequence[Tensor], forwards: Callable[[], Iterable[object]], tap: Tap
) -> None:
    """Run the network on all batches with the inputs of some layers tapped.

    Args:
        weights: of the layers.
        forwards: runs the network on one batch each time it is asked for the next.
        tap: what each use of a weight reads in place of its inputs.
    """
    watched = {id(weight): weight for weight in weights}
    with torch.no_grad(), Watch(watched, lambda kind, use, run: run(), tap):
        for _ in forwards():
            pass
