"""Replaying the unchanged prefix of a network, and when it must not be trusted."""

import numpy as np
import pytest
import torch
from torch import nn

from bitknap.sensitivity import quantized_copy, sensitivity_table
from bitknap.sensitivity.metrics.prefix import PrefixCache

from .networks import convolutions


class Odd(nn.Module):
    """Four layers, with something between them that replay may not survive."""

    def __init__(self, oddity):
        super().__init__()
        self.oddity = oddity
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])
        self.count = 0

    def forward(self, x):
        for number, layer in enumerate(self.layers):
            y = layer(torch.tanh(x))
            if self.oddity == "write":
                x = x * 1 if number == 0 else x
                x.add_(y)
            if self.oddity == "hidden":
                x = torch.ops.aten.mul.Tensor(y, y) + x
            if self.oddity == "own function":
                x = Square.apply(y) + x
            if self.oddity == "branch":
                x = x + y if float(y.detach().sum()) > 0 else x - y
        return x


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 2)

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad


@pytest.mark.parametrize("oddity", ["write", "hidden", "own function", "branch"])
def test_measured_losses_survive_oddities(oddity):
    torch.manual_seed(0)
    model = Odd(oddity).double().eval()
    batches = [(torch.randn(5, 4, dtype=torch.float64), torch.randint(4, (5,))) for _ in range(2)]
    table = sensitivity_table(model, batches, metrics=("loss",), bits=(2, 3))
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.no_grad():
        if oddity == "branch":
            parts = [_increase(model, table, *batch) * len(batch[0]) for batch in batches]
            expected = np.sum(parts, axis=0) / len(x)
        else:
            expected = _increase(model, table, x, y)
    assert table.omega["loss"] == pytest.approx(expected, abs=1e-12)


def _increase(model, table, x, y):
    plain = nn.functional.cross_entropy(model(x), y)
    changed = [
        quantized_copy(model, table.layers, {table.layers[i // 2].name: bits})(x)
        for i, bits in enumerate(table.labels)
    ]
    return np.array([float(nn.functional.cross_entropy(z, y) - plain) for z in changed])


def test_calls_before_the_layer_are_not_computed_and_dead_results_dropped():
    model, batches = convolutions()
    x = batches[0][0]
    computed = []

    class Count(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            computed.append(func)
            return func(*args, **(kwargs or {}))

    prefix = PrefixCache()
    with torch.no_grad():
        expected = model(x)
        prefix.advance(lambda: model(x), model.strided.weight)
        prefix.advance(lambda: model(x), model.point.weight)
        with Count():
            result = prefix.run(lambda: model(x))
    assert torch.equal(result, expected)
    assert prefix.intact
    assert torch.conv2d in computed
    assert computed.count(torch.conv2d) == 1
    held = [r for r in prefix._results if isinstance(r, torch.Tensor) and r.numel()]
    assert len(held) <= 4
