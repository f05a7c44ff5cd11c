"""Convolutions in 1, 2 and 3 dimensions: strided, dilated, padded, grouped and depthwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import (
    LayerKind,
    Use,
    chunk_floats,
    chunks,
    contract_gradients,
    replay_is_cheaper,
)

GROUPED_WEIGHTS = 1 << 16
"""Largest weight for which one grouped convolution gives the gradients of many samples fastest."""


@dataclass(eq=False)
class ConvUse(Use):
    """A call of ``conv1d``, ``conv2d`` or ``conv3d``; ``padding`` is symmetric and explicit."""

    inputs: Tensor
    weight: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def macs(self, output: Tensor) -> int:
        return output.numel() * self.weight[0].numel()

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        rows = len(self.inputs)
        if replay_is_cheaper(math.prod(grad.shape[2:]), len(delta)):
            scores = self._replayed(grad, delta)
        else:
            scores = contract_gradients(self, grad, delta, rows)
        return scores.reshape(samples, rows // samples, -1).sum(dim=1)

    def _replayed(self, grad: Tensor, delta: Tensor) -> Tensor:
        """All perturbations as the output channels of one convolution, group by group."""
        choices, groups = len(delta), self.groups
        by_group = delta.reshape(choices, groups, -1, *delta.shape[2:])
        stacked = by_group.transpose(0, 1).flatten(0, 2)
        result = torch.empty(len(grad), choices, dtype=delta.dtype, device=delta.device)
        for part in chunks(len(grad), 8 * chunk_floats(delta) // (choices * grad[0].numel())):
            moved = self._convolve(self.inputs[part].to(delta.dtype), stacked)
            moved = moved.reshape(len(moved), groups, choices, -1)
            gradient = grad[part].to(delta.dtype).reshape(len(moved), groups, 1, -1)
            result[part] = (moved * gradient).sum(dim=(1, 3))
        return result

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        for change in delta:
            yield self._convolve(self.inputs.to(delta.dtype), change)

    def _convolve(self, inputs: Tensor, weight: Tensor) -> Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[inputs.dim() - 3]
        result: Tensor = conv(
            inputs, weight, None, self.stride, self.padding, self.dilation, self.groups
        )
        return result

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        rows = len(self.inputs)
        by_row = self._grouped if self._grouped_is_fast(grad) else self._unfolded
        repeat = rows // samples
        step = max(1, chunk_floats(grad) // (self.weight.numel() * repeat))
        for part in chunks(samples, step):
            among = slice(part.start * repeat, part.stop * repeat)
            inputs = self.inputs[among].detach().to(grad.dtype)
            gradients = by_row(inputs, grad[among])
            if repeat > 1:
                gradients = gradients.reshape(-1, repeat, *gradients.shape[1:]).sum(dim=1)
            yield part, gradients

    def _grouped_is_fast(self, grad: Tensor) -> bool:
        small = self.weight.numel() <= GROUPED_WEIGHTS
        return small and grad.dtype == torch.float32 and not grad.is_cuda

    def _grouped(self, inputs: Tensor, grad: Tensor) -> Tensor:
        """Samples as groups of one convolution: its weight gradient is one block a sample."""
        rows, spatial = len(inputs), len(self.stride)
        shape = tuple(self.weight.shape)
        # Only the shape of the weight is read, so one float stands for all of them.
        stand_in = inputs.new_empty(1).expand(rows * shape[0], *shape[1:])
        _, gradient, _ = torch.ops.aten.convolution_backward(
            grad.reshape(1, -1, *grad.shape[2:]),
            inputs.reshape(1, -1, *inputs.shape[2:]),
            stand_in,
            None,
            self.stride,
            self.padding,
            self.dilation,
            False,
            [0] * spatial,
            rows * self.groups,
            [False, True, False],
        )
        result: Tensor = gradient.reshape(rows, *shape)
        return result

    def _unfolded(self, inputs: Tensor, grad: Tensor) -> Tensor:
        """Output gradient times the unfolded input, a matrix product a sample and group."""
        rows, positions = len(inputs), grad.shape[2:]
        columns = self._columns(inputs, positions).reshape(
            rows * self.groups, -1, math.prod(positions)
        )
        gradient = grad.reshape(rows * self.groups, -1, columns.shape[2])
        product: Tensor = torch.bmm(gradient, columns.transpose(1, 2))
        return product.reshape(rows, *self.weight.shape)

    def _columns(self, inputs: Tensor, positions: Sequence[int]) -> Tensor:
        """(rows, channels, *kernel, *positions) view of the padded input."""
        if any(self.padding):
            inputs = F.pad(inputs, [p for pad in reversed(self.padding) for p in (pad, pad)])
        inputs = inputs.contiguous()
        steps = inputs.stride()
        return inputs.as_strided(
            (*inputs.shape[:2], *self.weight.shape[2:], *positions),
            (
                *steps[:2],
                *(a * d for a, d in zip(steps[2:], self.dilation, strict=True)),
                *(a * s for a, s in zip(steps[2:], self.stride, strict=True)),
            ),
        )


def bind(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> ConvUse:
    """Read the arguments of ``conv1d``, ``conv2d`` or ``conv3d``."""
    spatial = weight.dim() - 2
    inputs = input if input.dim() == weight.dim() else input.unsqueeze(0)
    steps = spread(dilation, spatial)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
        if any(amount % 2 for amount in total):
            sides = [(amount // 2, amount - amount // 2) for amount in reversed(total)]
            inputs, total = F.pad(inputs, [p for pair in sides for p in pair]), [0] * spatial
        pads = tuple(amount // 2 for amount in total)
    else:
        pads = (0,) * spatial if isinstance(padding, str) else spread(padding, spatial)
    return ConvUse(inputs, weight, spread(stride, spatial), pads, steps, groups)


def spread(value: int | Sequence[int], length: int) -> tuple[int, ...]:
    """One value a spatial dimension."""
    if isinstance(value, int):
        return (value,) * length
    return tuple(value) if len(value) == length else tuple(value) * length


KIND = LayerKind("conv", (F.conv1d, F.conv2d, F.conv3d), bind)
