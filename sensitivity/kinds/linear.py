"""Linear layers, z = a W', on vectors or on sequences of any rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ._products import contract_products
from .base import LayerKind, Use, chunk_floats, chunks, replay_is_cheaper


@dataclass(eq=False)
class LinearUse(Use):
    """A call of ``torch.nn.functional.linear``."""

    inputs: Tensor
    weight: Tensor

    def macs(self, output: Tensor) -> int:
        return self.inputs.numel() * len(self.weight)

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        positions = self.inputs.numel() // (samples * self.inputs.shape[-1])
        if replay_is_cheaper(positions, len(delta)):
            return self._replayed(grad, delta, samples)
        gradient = self._folded(grad, samples).to(delta.dtype)
        inputs = self._folded(self.inputs, samples).to(delta.dtype)
        return contract_products(gradient.transpose(1, 2), inputs, delta)

    def _replayed(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        inputs, gradient = self._folded(self.inputs, samples), self._folded(grad, samples)
        choices, outputs, width = delta.shape
        stacked = delta.reshape(choices * outputs, width).T
        result = torch.empty(samples, choices, dtype=delta.dtype, device=delta.device)
        step = 4 * chunk_floats(delta) // (inputs.shape[1] * choices * outputs)
        for part in chunks(samples, step):
            moved = inputs[part].to(delta.dtype) @ stacked
            moved = moved.reshape(*moved.shape[:2], choices, outputs)
            moved *= gradient[part].to(delta.dtype).unsqueeze(2)
            result[part] = moved.sum(dim=(1, 3))
        return result

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
