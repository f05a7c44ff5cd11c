"""Every way to the scores of a layer, in float32, against float64 gradients of single samples."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bitknap.sensitivity.tracing.capture import backward_through
from bitknap.sensitivity.tracing.kinds import _products
from bitknap.sensitivity.tracing.kinds.conv import ConvUse
from bitknap.sensitivity.tracing.kinds.conv import bind as bind_conv
from bitknap.sensitivity.tracing.kinds.linear import LinearUse

CASES = {
    "a convolution per sample": ((8, 40, 50, 50), (24, 40, 3, 3), {"padding": 1}),
    "samples as groups": ((3, 5, 9, 9), (6, 5, 3, 3), {"stride": 2, "padding": 1}),
    "depthwise": ((3, 6, 9, 8), (6, 1, 3, 2), {"groups": 6, "padding": (1, 0)}),
    "grouped, many weights": ((2, 96, 4, 4), (192, 48, 3, 3), {"groups": 2, "padding": 1}),
    "product per sample": ((2, 130, 7, 7), (90, 130, 3, 3), {"padding": 1, "stride": (1, 2)}),
    "products together": ((5, 40, 4, 4), (60, 40, 3, 3), {"padding": 1, "dilation": 1}),
    "points": ((4, 12, 9, 9), (10, 12, 1, 1), {"stride": 2}),
    "replayed": ((4, 12, 3, 3), (10, 12, 3, 3), {}),
    "replayed at four positions": ((4, 12, 4, 4), (10, 12, 3, 3), {"stride": 2, "padding": 1}),
    "grouped at one position": ((4, 12, 3, 3), (10, 6, 3, 3), {"groups": 2}),
    "one dimension": ((3, 90, 40), (64, 90, 5), {"padding": 4, "dilation": 2}),
    "three dimensions": ((2, 20, 4, 5, 3), (70, 20, 2, 3, 2), {"padding": (0, 1, 1)}),
}


def dense(run: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor, g: Tensor) -> Tensor:
    """(N, *weight.shape) gradients of <g_n, run(x_n, w)> in float64, sample by sample."""
    rows = []
    for x_n, g_n in zip(x.double(), g.double(), strict=True):
        weight = w.double().requires_grad_(True)
        value = (run(x_n[None], weight) * g_n[None]).sum()
        rows.append(torch.autograd.grad(value, weight)[0])
    return torch.stack(rows)


@pytest.mark.parametrize("innermost", [False, True], ids=["stored plainly", "channels innermost"])
@pytest.mark.parametrize("case", CASES)
def test_convolutions_of_every_size(case: str, innermost: bool) -> None:
    inputs, shape, options = CASES[case]
    torch.manual_seed(0)
    x, w, delta = torch.randn(inputs), torch.randn(shape), torch.randn(4, *shape)
    conv: Any = (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3]
    g = torch.randn(conv(x, w, **options).shape)
    if innermost:
        x, g, delta = (
            t.movedim(d, -1).contiguous().movedim(-1, d) for t, d in ((x, 1), (g, 1), (delta, 2))
        )
    use = bind_conv(x, w, **options)
    assert isinstance(use, ConvUse)
    gradients = dense(lambda a, b: conv(a, b, **options), x, w, g)
    expected = gradients.flatten(1) @ delta.double().flatten(1).T
    for samples in (len(x), 1):
        scores = use.scores(g, delta, samples)
        wanted = expected.reshape(samples, -1, 4).sum(dim=1)
        assert torch.allclose(
            scores.double(), wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max())
        )
    found = torch.cat([part for _, part in use.sample_gradients(g, len(x))])
    assert torch.allclose(
        found.double(), gradients, rtol=1e-4, atol=1e-5 * float(gradients.abs().max())
    )


@pytest.mark.parametrize(
    "shape", [(3, 50, 70, 90), (2, 130, 200, 180), (4, 1, 30, 20), (4, 6, 30, 20)]
)
@pytest.mark.parametrize("onednn", [True, False])
def test_linear_layers_of_every_size(
    shape: tuple[int, ...], onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_products, "_AVAILABLE", _products._AVAILABLE and onednn)
    torch.manual_seed(0)
    samples, positions, width, outputs = shape
    x, w = torch.randn(samples, positions, width), torch.randn(outputs, width)
    g, delta = torch.randn(samples, positions, outputs), torch.randn(4, outputs, width)
    expected = dense(F.linear, x, w, g).flatten(1) @ delta.double().flatten(1).T
    scores = LinearUse(x, w).scores(g, delta, samples)
    assert torch.allclose(scores.double(), expected, rtol=1e-4, atol=1e-3)


def test_large_weights_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_products, "SINGLE_MACS", 1)
    monkeypatch.setattr(_products, "BLOCK_FLOATS", 50)
    torch.manual_seed(0)
    left, right, delta = torch.randn(3, 7, 15), torch.randn(3, 15, 11), torch.randn(2, 7, 11)
    expected = torch.einsum("nop,npk,jok->nj", left, right, delta)
    assert torch.allclose(_products.score_products(left, right, delta), expected, atol=1e-4)


def test_layers_inputs_are_let_go_during_the_backward_pass() -> None:
    weights = [torch.randn(4, 4) for _ in range(3)]
    seen: list[weakref.ref[Tensor]] = []

    def objective() -> Tensor:
        x = torch.randn(2, 4)
        for weight in weights:
            x = F.linear(x, weight).sin()
        return x.sum(dim=1)

    def consume(use: Any, grad: Tensor, samples: int) -> None:
        assert all(reference() is None for reference in seen)
        seen.append(weakref.ref(use.inputs))

    backward_through(objective, {id(weight): weight for weight in weights}, consume)
    assert len(seen) == 3
