"""Weights that are added to activations or repeated for every sample: positions, class tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...quantization.channels import ChannelDim
from .base import LayerKind, Use, chunk_floats, chunks


@dataclass(eq=False)
class BroadcastUse(Use):
    """z = x + W with W broadcast to the output's shape, or W alone where nothing is added."""

    weight: Tensor
    shape: torch.Size
    inputs: Tensor = field(init=False)

    def __post_init__(self) -> None:
        # The value that W is added to does not matter, and may change afterwards.
        self.inputs = self.weight

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def channel_dim(self) -> ChannelDim:
        """Of a table such as (1, positions, width) the positions, else the first dimension."""
        wide = [dim for dim, size in enumerate(self.weight.shape) if size > 1]
        if wide and self.weight.shape[wide[0]] < self.weight.numel():
            return wide[0]
        return 0

    def macs(self, output: Tensor) -> int:
        return 0

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        changes = delta.flatten(1)
        result = delta.new_empty(samples, len(delta))
        for part, gradients in self.sample_gradients(grad.to(delta.dtype), samples):
            result[part] = gradients.flatten(1) @ changes.T
        return result

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        for change in delta:
            yield change.expand(self.shape)

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        each = self.shape[0] // samples
        shape = (1,) * (len(self.shape) - self.weight.dim()) + tuple(self.weight.shape)
        for part in chunks(samples, chunk_floats(grad) // max(1, grad[0].numel() * each)):
            rows = grad[part.start * each : part.stop * each]
            folded = rows.reshape(-1, each, *rows.shape[1:])
            # A first dimension that indexes rows within a sample is left to the general path.
            whole = folded.sum_to_size(len(folded), shape[0], *shape[1:])
            yield part, whole.reshape(len(folded), *self.weight.shape)


def bind(*args: Any, **kwargs: Any) -> BroadcastUse | None:
    """Read the arguments of ``add`` and ``expand``; of two operands the weight is a parameter."""
    if kwargs.get("alpha", 1) != 1:
        return None
    given = [*args, *(value for name, value in kwargs.items() if name != "alpha")]
    weights = [item for item in given if isinstance(item, nn.Parameter) and item.dim() > 1]
    if len(weights) != 1:
        return None
    others = [item for item in given if item is not weights[0]]
    if len(others) == 1 and isinstance(others[0], Tensor):
        shape = np.broadcast_shapes(weights[0].shape, others[0].shape)
        return BroadcastUse(weights[0], torch.Size(shape))
    if given[0] is not weights[0]:
        return None
    sizes = others[0] if len(others) == 1 else others
    if not isinstance(sizes, torch.Size | tuple | list) or not all(
        isinstance(size, int) for size in sizes
    ):
        return None
    lead = len(sizes) - weights[0].dim()
    padded = (*([1] * lead), *weights[0].shape)
    return BroadcastUse(
        weights[0],
        torch.Size(o if size == -1 else size for size, o in zip(sizes, padded, strict=True)),
    )


KIND = LayerKind(
    "broadcast",
    (torch.add, Tensor.add, Tensor.add_, Tensor.expand, Tensor.expand_as, torch.broadcast_to),
    bind,
    source=None,
)
