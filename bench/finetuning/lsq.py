"""Learned step sizes: the fake quantization of LSQ, for weights and for layers' inputs."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn


class _LearnedStep(torch.autograd.Function):
    """s clip(round(v / s), low, high), differentiable in v and s by the straight-through rule."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, step: Tensor, low: int, high: int, factor: float
    ) -> Tensor:
        ratio = values / torch.where(step != 0, step, torch.ones_like(step))
        codes = ratio.round().clamp_(low, high)
        inside = (ratio >= low) & (ratio <= high)
        ctx.save_for_backward(torch.where(inside, codes - ratio, codes), inside)
        ctx.factor, ctx.shape = factor, step.shape
        return codes * step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (gradient,) = gradients
        slope, inside = ctx.saved_tensors
        by_step = (gradient * slope).sum_to_size(ctx.shape) * ctx.factor
        return gradient * inside, by_step, None, None, None


class StepQuantizer(nn.Module):
    """Uniform quantization whose step s is a parameter.

    With v the values that share a step, Q_P = high and n their number::

        v_q        = s clip(round(v / s), low, high)
        dv_q / dv  = 1 where low <= v / s <= high, else 0
        dv_q / ds  = round(v / s) - v / s inside, low or high where clipped
        dL / ds    = 1 / sqrt(n Q_P) sum dL/dv_q dv_q/ds

    The step may be negative, as the project's weight quantizer has it, and 0 stays 0.

    Args:
        step: initial steps, of a shape that broadcasts against the values.
        high: largest code, >= 1.
        batched: the first dimension of the values is that of the samples, which n leaves out.

    References:
        S. Esser et al., Learned step size quantization, ICLR 2020, arXiv:1902.08153.
    """

    def __init__(self, step: Tensor, low: int, high: int, *, batched: bool = False) -> None:
        super().__init__()
        self.step = nn.Parameter(step.clone())
        self.low, self.high, self.batched = low, high, batched

    @property
    def codes(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return self.low, self.high

    def forward(self, values: Tensor) -> Tensor:
        """The quantized values."""
        count = values[0].numel() if self.batched else values.numel() // self.step.numel()
        factor = 1 / math.sqrt(max(count, 1) * self.high)
        result = _LearnedStep.apply(values, self.step, self.low, self.high, factor)  # type: ignore[no-untyped-call]
        return cast(Tensor, result)


class InputQuantizer:
    """A forward pre-hook that quantizes the first argument of a module."""

    def __init__(self, quantizer: StepQuantizer) -> None:
        self.quantizer = quantizer

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, the first one quantized."""
        return (self.quantizer(arguments[0]), *arguments[1:])
