"""Grouped convolutions that are cheap to differentiate twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..tracing.function_calls import Calls

CALLS = (torch.conv1d, torch.conv2d, torch.conv3d)
Geometry = tuple[Sequence[int], Sequence[int], Sequence[int], bool, Sequence[int], int]
"""Stride, padding, dilation, transposed, output padding, groups."""


class GroupedConvolutions(Calls):
    """Computes convolutions in groups by `_Convolution` while it is entered.

    PyTorch's own second derivative runs one convolution per group, thousands of them in a network
    of depthwise convolutions.
    """

    def call(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run convolutions in groups as `_Convolution`."""
        if func in CALLS and len(args) == 7 and not keywords and args[6] > 1:
            values, weight, bias, *geometry, groups = args
            if values.dim() == weight.dim() and not isinstance(geometry[1], str):
                lists = tuple([one] if isinstance(one, int) else list(one) for one in geometry)
                sizes = tuple(one * (weight.dim() - 2) if len(one) == 1 else one for one in lists)
                full = (*sizes, False, [0] * (weight.dim() - 2), groups)
                return _Convolution.apply(values, weight, bias, full)  # type: ignore[no-untyped-call]
        return func(*args, **keywords)


class _Convolution(torch.autograd.Function):
    """y = x * w + b."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.geometry, ctx.biased = geometry, bias is not None
        return _convolve(values, weight, bias, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        by_values, by_weight = _Gradients.apply(gradient, *ctx.saved_tensors, ctx.geometry)  # type: ignore[no-untyped-call]
        others = [0, *range(2, gradient.dim())]
        return by_values, by_weight, gradient.sum(others) if ctx.biased else None, None


class _Gradients(torch.autograd.Function):
    """The gradients by x and w, bilinear in g with w and with x; so are theirs in turn."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, values: Tensor, weight: Tensor, geometry: Geometry
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(gradient, values, weight)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        return _by_values(gradient, values, weight, geometry), _by_weight(
            gradient, values, weight, geometry
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        for_values, for_weight = gradients
        gradient, values, weight = ctx.saved_tensors
        parts, by_values, by_weight = [], None, None
        if for_values is not None:
            parts.append(_convolve(for_values, weight, None, ctx.geometry))
            by_weight = _by_weight(gradient, for_values, weight, ctx.geometry)
        if for_weight is not None:
            parts.append(_convolve(values, for_weight, None, ctx.geometry))
            by_values = _by_values(gradient, values, for_weight, ctx.geometry)
        return sum(parts[1:], parts[0]) if parts else None, by_values, by_weight, None


def _convolve(values: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    return torch.ops.aten.convolution(values, weight, bias, *geometry)  # type: ignore[no-any-return]


def _by_values(gradient: Tensor, values: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return _backward(gradient, values, weight, geometry, [True, False, False])[0]


def _by_weight(gradient: Tensor, values: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return _backward(gradient, values, weight, geometry, [False, True, False])[1]


def _backward(
    gradient: Tensor, values: Tensor, weight: Tensor, geometry: Geometry, mask: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    backward = torch.ops.aten.convolution_backward
    return backward(gradient, values, weight, None, *geometry, mask)  # type: ignore[no-any-return]
