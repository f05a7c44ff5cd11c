"""Small networks, and the obvious references that the fast paths are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.sensitivity import LayerInfo


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
    layers: tuple[LayerInfo, ...],
    quantize: Callable[..., Tensor],
    bits: tuple[int, ...],
    value: Callable[[Any, Tensor], Tensor] = lambda output, y: F.cross_entropy(output, y),
) -> Tensor:
    """<grad_w value_n, Q_b(w) - w>, one sample at a time with plain autograd."""
    rows = []
    weights = [model.get_parameter(layer.parameter) for layer in layers]
    moves = [
        [quantize(w.detach(), b, dim=layer.channel_dim) - w.detach() for b in bits]
        for w, layer in zip(weights, layers, strict=True)
    ]
    for x, y in batches:
        for n in range(len(x)):
            loss = value(logits(model(x[n : n + 1])), y[n : n + 1])
            grads = torch.autograd.grad(loss, weights)
            rows.append(
                [
                    float((grad * move).sum())
                    for grad, several in zip(grads, moves, strict=True)
                    for move in several
                ]
            )
    return torch.tensor(rows, dtype=torch.float64)


class Upsampling(nn.Module):
    """Transposed convolutions in 1 to 3 dimensions, in nested containers, output in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(
            {
                "line": nn.Sequential(nn.ConvTranspose1d(4, 4, 3, stride=2, groups=2), nn.Tanh()),
                "plane": nn.ModuleList(
                    [nn.ConvTranspose2d(4, 3, (3, 2), padding=1, stride=2, output_padding=(1, 0))]
                ),
                "volume": nn.ConvTranspose3d(3, 2, 2, dilation=2),
            }
        )
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stages["line"](x)
        x = torch.tanh(self.stages["plane"][0](x[:, :, :, None].expand(-1, -1, -1, 3)))
        x = self.stages["volume"](x[..., None].tanh())
        return {"logits": self.head(x.mean(dim=(2, 3, 4))), "features": x}


class Attention(nn.Module):
    """Embedding with padding, packed and separate projections, x W products, a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(3, 6, padding_idx=1)
        self.place = nn.Parameter(torch.randn(4, 6))
        self.itself = nn.MultiheadAttention(6, 2, batch_first=True)
        self.across = nn.MultiheadAttention(6, 3)
        self.apart = nn.MultiheadAttention(6, 1, kdim=4, vdim=5, bias=False, batch_first=True)
        self.block = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)
        self.product = nn.Parameter(torch.randn(6, 4))
        self.added = nn.Parameter(torch.randn(4, 6))
        self.bias = nn.Parameter(torch.randn(6))
        with torch.no_grad():
            self.embed.weight.normal_()

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embed(tokens) + self.place
        x = x + self.itself(x, x, x, key_padding_mask=tokens == 2)[0]
        swapped = x.transpose(0, 1)
        x = self.across(swapped, swapped * 2, swapped - 1, need_weights=False)[0].transpose(0, 1)
        narrow = torch.tanh(x @ self.product)
        wide = torch.addmm(self.bias, narrow.reshape(-1, 4), self.added).reshape(x.shape)
        x = self.apart(wide, narrow, x[:, :, :5])[0]
        x = self.block(x)
        return nn.functional.linear(x.mean(dim=1), self.embed.weight), x


def upsampling() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    return prepared(Upsampling, (4, 3))


def attention() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    model, batches = prepared(Attention, (4,))
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=0.5)
    draw = torch.Generator().manual_seed(3)
    tokens = [torch.randint(3, x.shape, generator=draw) for x, _ in batches]
    for rows in tokens:
        rows[:, 0] = 0
    return model, [(rows, y) for rows, (_, y) in zip(tokens, batches, strict=True)]


NETWORKS = [convolutions, sequences, upsampling, attention]
"""Every kind of layer in a few small networks."""


def logits(output: Any) -> Tensor:
    """What the loss is computed from."""
    if isinstance(output, dict):
        return output["logits"]
    return output[0] if isinstance(output, tuple) else output
