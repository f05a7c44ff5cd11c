"""Products x W with the weight on the right, stored input by output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...quantization.channels import ChannelDim
from .base import LayerKind, Use
from .linear import LinearUse


@dataclass(eq=False)
class MatmulUse(Use):
    """A call of ``matmul``, ``mm`` or ``addmm``: a linear layer with the weight transposed."""

    inputs: Tensor
    weight: Tensor

    @property
    def channel_dim(self) -> ChannelDim:
        return 1

    def _transposed(self) -> LinearUse:
        return LinearUse(self.inputs, self.weight.T)

    def macs(self, output: Tensor) -> int:
        return self._transposed().macs(output)

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        return self._transposed().scores(grad, delta.transpose(1, 2).contiguous(), samples)

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        return self._transposed().replay(delta.transpose(1, 2))

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        for part, gradients in self._transposed().sample_gradients(grad, samples):
            yield part, gradients.transpose(1, 2)


def bind(*args: Any, **kwargs: Any) -> Use | None:
    """Read the arguments of ``matmul`` or ``mm`` (two operands) or ``addmm`` (three)."""
    operands = args[-2:]
    if kwargs.keys() - {"beta", "alpha"} or kwargs.get("alpha", 1) != 1 or len(operands) < 2:
        return None
    inputs, weight = operands
    if not (isinstance(inputs, Tensor) and isinstance(weight, Tensor)) or weight.dim() != 2:
        return None
    return MatmulUse(inputs, weight)


KIND = LayerKind(
    "matmul",
    (torch.matmul, torch.mm, torch.addmm, Tensor.matmul, Tensor.__matmul__, Tensor.mm),
    bind,
    source=lambda *args, **kwargs: args[-2],
)
