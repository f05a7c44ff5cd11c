"""Ties found in traced networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.bench.networks.resnet import ResNet18
from bitknap.problems import DataError, UnsupportedError
from bitknap.problems.library import library_instance
from bitknap.sensitivity import LayerInfo, ties_from_graph, trace
from bitknap.sensitivity.policy.ties import KINDS


def layers_of(model: nn.Module) -> list[LayerInfo]:
    return [
        LayerInfo(name.removesuffix(".weight"), "any", tuple(weight.shape), 1, name)
        for name, weight in model.named_parameters()
        if weight.dim() > 1
    ]


def found(model: nn.Module, batch: Any, kind: str, **options: Any) -> list[tuple[str, ...]]:
    graph = trace(model.eval(), batch, layers_of(model), **options)
    return [tie.layers for tie in ties_from_graph(graph, (kind,))]


class Block(nn.Module):
    """Pre-norm attention with rotary products, and a gated feed-forward layer."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.norm, self.second = nn.LayerNorm(8), nn.RMSNorm(8)
        for name in ("q", "k", "v", "o"):
            setattr(self, name, nn.Linear(8, 8))
        self.gate, self.up, self.down = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(6, 8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (f(h).view(*h.shape[:2], 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = (t * 0.5 + torch.cat([-t[..., 2:], t[..., :2]], -1) * 0.8 for t in (q, k))
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) / 2, dim=-1) @ v
        x = x + self.o(mixed.transpose(1, 2).reshape(h.shape))
        h = self.second(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Transformer(nn.Module):
    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.h = nn.ModuleList([Block(fused), Block(fused)])
        self.head = nn.Linear(8, 10)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.h:
            x = block(x)
        return self.head(x)


TOKENS = (torch.arange(10).reshape(2, 5), torch.zeros(2))


@pytest.mark.parametrize("fused", [False, True])
def test_attention_gates_and_the_residual_stream(fused: bool) -> None:
    model = Transformer(fused)
    qkv = [(f"h.{i}.q", f"h.{i}.k", f"h.{i}.v") for i in range(2)]
    gates = [(f"h.{i}.gate", f"h.{i}.up") for i in range(2)]
    assert found(model, TOKENS, "attention") == qkv
    assert found(model, TOKENS, "gate") == gates
    assert found(model, TOKENS, "residual") == [("embed", "h.0.o")]
    assert found(model, TOKENS, "stream") == [("embed", "h.0.o", "h.0.down", "h.1.o", "h.1.down")]
    assert found(model, TOKENS, "input") == [qkv[0], gates[0], qkv[1], gates[1]]


@pytest.mark.parametrize("tracer", ["torch.export", "torch.fx"])
def test_the_ties_of_a_residual_network(tracer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of HAWQ-V3 are the layers that read one input; the library has them."""
    if tracer == "torch.fx":
        monkeypatch.setattr(torch.export, "export", None)
    model = ResNet18()
    batch = (torch.zeros(2, 1, 28, 28), torch.zeros(2))
    graph = trace(model.eval(), batch, layers_of(model))
    assert graph.tracer == tracer
    ties = ties_from_graph(graph, ("residual",))
    assert [tie.layers for tie in ties] == [
        (f"layer{i}.0.conv2", f"layer{i}.0.downsample.0") for i in (2, 3, 4)
    ]
    assert {tie.reason for tie in ties} == {"outputs added"}
    hawq = library_instance("hawq_v3/resnet18_bops_0.5")
    theirs = [tuple(hawq.class_names[i] for i in group) for group in hawq.ties]
    ours = [tie.layers for tie in ties_from_graph(graph, ("input",))]
    assert [tuple(name.removesuffix(".0") for name in tie) for tie in ours] == theirs
    streams = [tie.layers for tie in ties_from_graph(graph, ("stream",))]
    assert streams[0] == ("conv1", "layer1.0.conv2", "layer1.1.conv2")
    assert len(streams) == 4


class Other(nn.Module):
    """Products that are not gates: squeeze and excitation; and a cross-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.squeeze, self.excite = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(2, 6)
        self.q, self.k, self.v = nn.Linear(6, 3), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        h = self.wide(x)
        h = h * torch.sigmoid(self.excite(torch.relu(self.squeeze(h))))
        return F.scaled_dot_product_attention(self.q(h), self.k(other), self.v(other))


def test_layers_that_read_different_inputs_are_not_tied() -> None:
    model = Other()
    batch = {"x": torch.zeros(2, 5, 4), "other": torch.zeros(2, 7, 4)}
    assert found(model, batch, "gate", forward=lambda m, b: m(**b)) == []
    assert found(model, batch, "attention", forward=lambda m, b: m(**b)) == [("k", "v")]


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if float(x.detach().numpy().sum()) > 0 else x


def test_what_cannot_be_traced_is_refused_in_one_sentence() -> None:
    model = Untraceable()
    with pytest.raises(UnsupportedError, match="tie layers by patterns instead") as caught:
        found(model, (torch.ones(1, 2), torch.zeros(1)), "residual")
    assert "\n" not in str(caught.value)
    graph = trace(nn.Linear(2, 2).eval(), (torch.ones(1, 2),), ())
    with pytest.raises(DataError, match=f"one of {', '.join(KINDS)}, got 'all'"):
        ties_from_graph(graph, ("all",))


def test_tracing_leaves_the_model_as_it_was() -> None:
    model = Transformer(True).eval()
    model.head.weight.requires_grad_(True)
    trace(model, TOKENS, layers_of(model))
    assert model.head.weight.requires_grad
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
