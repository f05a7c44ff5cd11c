"""Embedding tables: rows of the weight picked by index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import LayerKind, Use, chunk_floats, chunks


@dataclass(eq=False)
class EmbeddingUse(Use):
    """A call of ``torch.nn.functional.embedding``.

    As in autograd, the padding row counts as constant.
    """

    inputs: Tensor
    weight: Tensor
    padding: int | None

    def macs(self, output: Tensor) -> int:
        return 0

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        indices, gradient = self._folded(grad.to(delta.dtype), samples)
        result = torch.empty(samples, len(delta), dtype=delta.dtype, device=delta.device)
        for part in chunks(samples, chunk_floats(delta) // gradient[0].numel()):
            for choice, change in enumerate(delta):
                result[part, choice] = (change[indices[part]] * gradient[part]).sum(dim=(1, 2))
        return result

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        for change in delta:
            yield change[self.inputs] * self._counts(delta.dtype).unsqueeze(-1)

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        indices, gradient = self._folded(grad, samples)
        for part in chunks(samples, chunk_floats(grad) // self.weight.numel()):
            rows = part.stop - part.start
            result = gradient.new_zeros(rows, *self.weight.shape)
            sample = torch.arange(rows, device=grad.device)[:, None].expand_as(indices[part])
            result.index_put_((sample, indices[part]), gradient[part], accumulate=True)
            yield part, result

    def _folded(self, grad: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """Indices (N, T) and gradients (N, T, width), zero at the padding index."""
        masked = grad * self._counts(grad.dtype).unsqueeze(-1)
        return self.inputs.reshape(samples, -1), masked.reshape(samples, -1, grad.shape[-1])

    def _counts(self, dtype: torch.dtype) -> Tensor:
        """1 where the row is a variable, 0 at the padding index."""
        if self.padding is None:
            return torch.ones_like(self.inputs, dtype=dtype)
        return (self.inputs != self.padding % len(self.weight)).to(dtype)


def bind(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, *args: Any, **kwargs: Any
) -> EmbeddingUse:
    """Read the arguments of ``embedding``."""
    return EmbeddingUse(input, weight, padding_idx)


KIND = LayerKind("embedding", (F.embedding,), bind, source=None)
