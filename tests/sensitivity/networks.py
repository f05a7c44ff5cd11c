"""Small networks, and the obvious references that the fast paths are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Convolutions(nn.Module):
    """Every shape of 2-d convolution, one of them used twice, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.grouped = nn.Conv2d(6, 6, 3, padding="same", groups=3)
        self.depthwise = nn.Conv2d(6, 6, (3, 2), padding="same", groups=6, dilation=(1, 2))
        self.twice = nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect", bias=False)
        self.strided = nn.Conv2d(6, 8, 3, stride=(2, 1), padding=(0, 1))
        self.dilated = nn.Conv2d(8, 5, 2, dilation=(1, 2), padding=1, padding_mode="circular")
        self.point = nn.Conv2d(5, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.norm(self.stem(x)))
        x = x + torch.tanh(self.depthwise(self.grouped(x)))
        x = self.twice(torch.tanh(self.twice(x)))
        x = torch.tanh(self.dilated(torch.tanh(self.strided(x))))
        return self.head(self.point(x.mean(dim=(2, 3), keepdim=True)).flatten(1))


class Sequences(nn.Module):
    """1-d and 3-d convolutions, linear layers on sequences and on folded rows, a shared weight."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(1, 2, (2, 3, 2), padding=(0, 1, 1), stride=(1, 2, 1))
        self.line = nn.Conv1d(6, 6, 3, padding=1, groups=2)
        self.mix = nn.Linear(6, 6)
        self.again = nn.Linear(6, 6)
        self.again.weight = self.mix.weight
        self.fold = nn.Linear(6, 6, bias=False)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = len(x)
        x = torch.tanh(self.volume(x)).flatten(1)[:, :30].reshape(rows, 6, 5)
        x = torch.tanh(self.line(x)).transpose(1, 2)
        x = torch.tanh(self.again(torch.tanh(self.mix(x))))
        x = self.fold(x.reshape(-1, 6)).reshape(rows, 5, 6)
        return self.head(torch.relu(x).sum(dim=1))


def prepared(
    build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: torch.dtype = torch.float64
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """The network with random statistics in its norms, in eval mode, and three uneven batches."""
    torch.manual_seed(0)
    model = build().to(dtype)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    batches = [
        (torch.randn(n, *shape, dtype=dtype), torch.randint(3, (n,), dtype=torch.int64))
        for n in (4, 3, 1)
    ]
    return model.eval(), batches


def convolutions() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    return prepared(Convolutions, (2, 8, 7))


def sequences() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    return prepared(Sequences, (1, 4, 5, 4))


def reference_scores(
    model: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    parameters: list[str],
    quantize: Callable[[Tensor, int], Tensor],
    bits: tuple[int, ...],
    value: Callable[[Any, Tensor], Tensor] = lambda output, y: F.cross_entropy(output, y),
) -> Tensor:
    """<grad_w value_n, Q_b(w) - w>, one sample at a time with plain autograd."""
    rows = []
    named = dict(model.named_parameters())
    for x, y in batches:
        for n in range(len(x)):
            loss = value(model(x[n : n + 1]), y[n : n + 1])
            grads = torch.autograd.grad(loss, [named[name] for name in parameters])
            rows.append(
                [
                    float((grad * (quantize(named[name].data, b) - named[name].data)).sum())
                    for name, grad in zip(parameters, grads, strict=True)
                    for b in bits
                ]
            )
    return torch.tensor(rows, dtype=torch.float64)
