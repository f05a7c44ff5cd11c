"""Linear layers, z = a W', on vectors or on sequences of any rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ._products import score_products
from .base import LayerKind, Use, chunk_floats, chunks


@dataclass(eq=False)
class LinearUse(Use):
    """A call of ``torch.nn.functional.linear``."""

    inputs: Tensor
    weight: Tensor

    def macs(self, output: Tensor) -> int:
        return self.inputs.numel() * len(self.weight)

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        gradient = self._folded(grad, samples).to(delta.dtype)
        inputs = self._folded(self.inputs, samples).to(delta.dtype)
        return score_products(gradient.transpose(1, 2), inputs, delta)

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        for change in delta:
            yield F.linear(self.inputs.to(delta.dtype), change)

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        inputs, gradient = self._folded(self.inputs, samples), self._folded(grad, samples)
        for part in chunks(samples, chunk_floats(grad) // self.weight.numel()):
            yield part, torch.bmm(gradient[part].transpose(1, 2), inputs[part].to(grad.dtype))

    @staticmethod
    def _folded(tensor: Tensor, samples: int) -> Tensor:
        """(N, positions, features)."""
        return tensor.detach().reshape(samples, -1, tensor.shape[-1])


def bind(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> LinearUse:
    """Read the arguments of ``linear``."""
    return LinearUse(input, weight)


KIND = LayerKind("linear", (F.linear,), bind)
