"""Learned steps: values and gradients against the paper's formulas, entry by entry."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from bitknap.bench.finetuning.lsq import InputQuantizer, StepQuantizer


def reference(
    values: Tensor, steps: Tensor, low: int, high: int, outer: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Quantized values (rows, k), dL/dv and dL/ds (rows,) for L = sum outer * quantized."""
    quantized, by_value, by_step = torch.zeros_like(values), torch.zeros_like(values), steps * 0
    for i, row in enumerate(values.tolist()):
        for j, v in enumerate(row):
            ratio = v / steps[i].item()
            code = min(max(round(ratio), low), high)
            inside = low <= ratio <= high
            quantized[i, j] = steps[i] * code
            by_value[i, j] = outer[i, j] if inside else 0.0
            by_step[i] += outer[i, j] * (code - ratio if inside else code)
    return quantized, by_value, by_step / math.sqrt(count * high)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("low", "high"), [(-2, 1), (-8, 7), (0, 3), (-7, 7)])
def test_gradients_follow_the_formula(low: int, high: int, sign: float) -> None:
    generator = torch.Generator().manual_seed(high)
    values = torch.randn(4, 30, dtype=torch.float64, generator=generator)
    outer = torch.randn(4, 30, dtype=torch.float64, generator=generator)
    steps = sign * (0.1 + torch.rand(4, dtype=torch.float64, generator=generator))
    quantizer = StepQuantizer(steps[:, None], low, high)
    leaf = values.clone().requires_grad_(True)
    result = quantizer(leaf)
    (result * outer).sum().backward()  # type: ignore[no-untyped-call]
    expected, by_value, by_step = reference(values, steps, low, high, outer, count=30)
    assert leaf.grad is not None
    assert quantizer.step.grad is not None
    torch.testing.assert_close(result.detach(), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(leaf.grad, by_value, rtol=1e-12, atol=0)
    torch.testing.assert_close(quantizer.step.grad[:, 0], by_step, rtol=1e-12, atol=1e-14)


def test_inputs_count_the_values_of_one_sample() -> None:
    values = torch.linspace(-0.2, 2.0, 24, dtype=torch.float64).reshape(4, 6)
    quantizer = StepQuantizer(torch.tensor(0.5, dtype=torch.float64), 0, 3, batched=True)
    quantizer(values).sum().backward()
    flat, outer = values.reshape(1, -1), torch.ones(1, 24, dtype=torch.float64)
    _, _, by_step = reference(flat, torch.tensor([0.5]).double(), 0, 3, outer, count=6)
    assert quantizer.step.grad is not None
    torch.testing.assert_close(quantizer.step.grad, by_step[0], rtol=1e-12, atol=1e-14)


def test_a_step_of_zero_gives_zeros_and_no_nan() -> None:
    quantizer = StepQuantizer(torch.zeros(2, 1), -2, 1)
    values = torch.tensor([[0.0, 0.0], [1.0, -1.0]], requires_grad=True)
    quantizer(values).sum().backward()
    assert quantizer(values).abs().sum() == 0
    assert values.grad is not None
    assert quantizer.step.grad is not None
    assert torch.isfinite(values.grad).all()
    assert torch.isfinite(quantizer.step.grad).all()


def test_the_hook_quantizes_the_first_argument() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.register_forward_pre_hook(
        InputQuantizer(StepQuantizer(torch.tensor(1.0), 0, 3, batched=True))
    )
    with torch.no_grad():
        assert layer(torch.tensor([[1.4, 9.0]])) == layer.weight @ torch.tensor([1.0, 3.0])
