"""Convolutions in groups: the same values and derivatives as PyTorch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bitknap.sensitivity.metrics import grouped
from bitknap.sensitivity.metrics.grouped import GroupedConvolutions

CASES: tuple[tuple[Any, tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    (F.conv2d, (2, 4, 6, 5), (4, 1, 3, 3), {"stride": 2, "padding": 1, "groups": 4}),
    (F.conv2d, (2, 4, 6, 5), (6, 2, 3, 3), {"padding": (1, 0), "dilation": 2, "groups": 2}),
    (F.conv1d, (2, 4, 7), (4, 2, 3), {"padding": 1, "groups": 2}),
)


@pytest.mark.parametrize(("convolve", "values", "weight", "options"), CASES)
def test_both_derivatives(
    convolve: Any, values: tuple[int, ...], weight: tuple[int, ...], options: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = (values, weight, weight[:1])
    args = [
        torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)
        for shape in shapes
    ]

    def run(*inputs: torch.Tensor) -> Any:
        full = {"stride": 1, "padding": 0, "dilation": 1} | options
        ordered = [full[name] for name in ("stride", "padding", "dilation", "groups")]
        with GroupedConvolutions():
            return convolve(*inputs, *ordered)

    torch.testing.assert_close(run(*args), convolve(*args, **options), rtol=0, atol=0)
    assert torch.autograd.gradcheck(run, args)
    assert torch.autograd.gradgradcheck(run, args)


def test_modules_in_groups_are_reached_and_others_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        grouped._Convolution, "apply", lambda values, *rest: seen.append(rest[-1][-1]) or values
    )
    x = torch.zeros(1, 4, 5, 5)
    with GroupedConvolutions():
        nn.Conv2d(4, 4, 3, padding=1, groups=4)(x)
        nn.Conv2d(4, 4, 3, padding=1)(x)
        nn.Conv2d(4, 4, 3, padding="same", groups=4)(x)
    assert seen == [4]
