"""Convolutions in 1, 2 and 3 dimensions: strided, dilated, padded, grouped and depthwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ._patches import by_position, patches
from ._products import contract, has_onednn, replay_is_faster, score_products
from .base import LayerKind, Use, chunk_floats, chunks

ALONE_MACS, ALONE_POSITIONS = 1 << 24, 1 << 11
"""From so much work a sample on, a sample's gradient is fastest as a convolution of its own."""

TOGETHER_WEIGHTS, TOGETHER_WEIGHTS_GROUPED = 1 << 14, 1 << 16
"""Up to so many weights, those of many samples are fastest as one grouped convolution."""


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
        rows, grad = len(self.inputs), grad.to(delta.dtype)
        replay = replay_is_faster(math.prod(grad.shape[2:]), len(delta))
        products = self.groups == 1 and (replay or self._by_convolution(grad) is None)
        scores = self._by_products(grad, delta) if products else self._by_gradients(grad, delta)
        return scores.reshape(samples, rows // samples, -1).sum(dim=1)

    def _by_products(self, grad: Tensor, delta: Tensor) -> Tensor:
        """Scores of all rows as those of a linear layer on patches, chunk by chunk."""
        rows, changes = len(self.inputs), by_position(delta)
        result = delta.new_empty(rows, len(delta))
        for part in chunks(rows, chunk_floats(delta) // self._patch_floats(grad)):
            inputs = self._patches(self.inputs[part].detach().to(delta.dtype), grad)
            result[part] = score_products(grad[part].flatten(2), inputs, changes)
        return result

    def _by_gradients(self, grad: Tensor, delta: Tensor) -> Tensor:
        """Gradients of all rows contracted with the perturbations, chunk by chunk."""
        rows, plain = len(self.inputs), self._by_convolution(grad) is not None
        result = delta.new_empty(rows, len(delta))
        flat = (delta if plain else by_position(delta)).flatten(1)
        for part, found in self.sample_gradients(grad, rows):
            result[part] = contract((found if plain else by_position(found)).flatten(1), flat)
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
        by_row, weights = self._by_convolution(grad), self.weight.numel()
        floats = weights + (self.inputs.numel() + grad.numel()) // rows
        if by_row is None:
            by_row, floats = self._by_product, max(weights, self._patch_floats(grad))
        repeat = rows // samples
        for part in chunks(samples, chunk_floats(grad) // (floats * repeat)):
            among = slice(part.start * repeat, part.stop * repeat)
            inputs = self.inputs[among].detach().to(grad.dtype)
            gradients = by_row(inputs, grad[among])
            if repeat > 1:
                gradients = gradients.reshape(-1, repeat, *gradients.shape[1:]).sum(dim=1)
            yield part, gradients

    def _by_convolution(self, grad: Tensor) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The way by oneDNN's convolutions, where it is faster than matrix products."""
        weights, positions = self.weight.numel(), math.prod(grad.shape[2:])
        if not has_onednn(grad):
            return None
        if positions >= ALONE_POSITIONS and positions * weights >= ALONE_MACS:
            return self._alone
        if self.groups > 1:
            return self._together if weights <= TOGETHER_WEIGHTS_GROUPED else None
        point = self.weight[0, 0].numel() == 1
        return self._together if weights <= TOGETHER_WEIGHTS and not point else None

    def _alone(self, inputs: Tensor, grad: Tensor) -> Tensor:
        """A convolution's weight gradient per sample."""
        rows = [
            self._weight_gradient(inputs[n : n + 1], grad[n : n + 1], self.weight, self.groups)
            for n in range(len(inputs))
        ]
        return torch.stack(rows)

    def _together(self, inputs: Tensor, grad: Tensor) -> Tensor:
        """Samples as groups of one convolution: its weight gradient is one block per sample."""
        rows, shape = len(inputs), tuple(self.weight.shape)
        # Only the shape of the weight is read, so one float stands for all of them.
        stand_in = inputs.new_empty(1).expand(rows * shape[0], *shape[1:])
        gradient = self._weight_gradient(
            inputs.contiguous().reshape(1, -1, *inputs.shape[2:]),
            grad.contiguous().reshape(1, -1, *grad.shape[2:]),
            stand_in,
            rows * self.groups,
        )
        return gradient.reshape(rows, *shape)

    def _weight_gradient(self, inputs: Tensor, grad: Tensor, weight: Tensor, groups: int) -> Tensor:
        spatial = len(self.stride)
        _, gradient, _ = torch.ops.aten.convolution_backward(
            grad,
            inputs,
            weight.to(inputs.dtype),
            None,
            self.stride,
            self.padding,
            self.dilation,
            False,
            [0] * spatial,
            groups,
            [False, True, False],
        )
        result: Tensor = gradient
        return result

    def _by_product(self, inputs: Tensor, grad: Tensor) -> Tensor:
        """Output gradient times the unfolded input, a matrix product per sample and group."""
        rows, out, into, *kernel = len(inputs), *self.weight.shape
        gradient = grad.flatten(2).reshape(rows * self.groups, out // self.groups, -1)
        product = torch.bmm(gradient, self._patches(inputs, grad))
        return product.reshape(rows, out, *kernel, into).movedim(-1, 2)

    def _patches(self, inputs: Tensor, grad: Tensor) -> Tensor:
        return patches(
            inputs,
            self.weight.shape[2:],
            grad.shape[2:],
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )

    def _patch_floats(self, grad: Tensor) -> int:
        return self.weight[0].numel() * self.groups * math.prod(grad.shape[2:])


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
    """One value per spatial dimension."""
    if isinstance(value, int):
        return (value,) * length
    return tuple(value) if len(value) == length else tuple(value) * length


KIND = LayerKind("conv", (F.conv1d, F.conv2d, F.conv3d), bind)
