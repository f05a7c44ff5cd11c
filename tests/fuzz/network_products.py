"""A raw weight in every product, and parametrized weights."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from .network_block import (
    D,
    Op,
    T,
    block,
    ids,
    linear,
    p,
    per_sample,
    simple,
)

simple(
    {
        "x @ w": lambda s, x: x @ s.w,
        "x @ w.T": lambda s, x: x @ s.w.T,
        "w on the left": lambda s, x: (s.w @ x.mT).mT,
        "matmul": lambda s, x: torch.matmul(x, s.w),
        "mm": lambda s, x: torch.mm(x.reshape(-1, D), s.w).reshape(x.shape),
        "addmm": lambda s, x: torch.addmm(s.b, x.reshape(-1, D), s.w).reshape(x.shape),
        "addmm scaled": lambda s, x: torch.addmm(s.b, x.reshape(-1, D), s.w, alpha=2.0).view_as(x),
        "bmm expanded": lambda s, x: torch.bmm(x, s.w.expand(len(x), D, D)),
        "baddbmm": lambda s, x: torch.baddbmm(x, x, s.w.expand(len(x), D, D), alpha=0.5),
        "tensordot": lambda s, x: torch.tensordot(x, s.w, dims=([2], [1])),
        "einsum": lambda s, x: torch.einsum("ntd,de->nte", x, s.w),
        "einsum, weight first": lambda s, x: torch.einsum("ed,ntd->nte", s.w, x),
        "F.linear": lambda s, x: F.linear(x, s.w, s.b),
        "mv per vector": lambda s, x: per_sample(lambda r: per_sample(lambda v: s.w @ v, r), x),
        "inner": lambda s, x: torch.inner(x, s.w),
        "sum of products": lambda s, x: (x[..., None] * s.w).sum(-2),
        "F.bilinear": lambda s, x: F.bilinear(x, x.sin().contiguous(), s.w[None].expand(D, -1, -1)),
        "cloned weight": lambda s, x: F.linear(x, s.w.clone()),
        "copied transpose": lambda s, x: F.linear(x, s.w.t().contiguous()),
        "rolled weight": lambda s, x: F.linear(x, s.w.roll(1, 0)),
        "triangular weight": lambda s, x: F.linear(x, s.w.tril()),
        "softmax of the weight": lambda s, x: x @ s.w.softmax(0),
        "weight squared": lambda s, x: F.linear(x, s.w.square()) + F.linear(x, s.w),
        "weight standardised": lambda s, x: F.linear(
            x, (s.w - s.w.mean(1, keepdim=True)) / (s.w.std(1, keepdim=True) + 0.1)
        ),
        "normalised weight": lambda s, x: F.linear(F.normalize(x, dim=-1), F.normalize(s.w)),
        "half of the weight twice": lambda s, x: x + F.linear(x, s.w[: D // 2]).repeat(1, 1, 2),
        "weight in two halves": lambda s, x: torch.cat([F.linear(x, h) for h in s.w.chunk(2)], -1),
        "rows by index": lambda s, x: F.linear(x, s.w[torch.tensor([0, 0, 2, 3, 5, 4])]),
        "columns by slice": lambda s, x: F.linear(x[..., 1:], s.w[:, 1:]),
        "weight in place copy": lambda s, x: F.linear(x, s.w.clone().mul_(2)),
        "weight to and fro": lambda s, x: F.linear(x, s.w.view(-1).view(D, D)),
        "circulant": lambda s, x: torch.stack([x @ s.w[0].roll(i) for i in range(D)], -1) * s.w[1],
        "distances": lambda s, x: torch.cdist(x, s.w.expand(len(x), D, D)),
        "used in two ways": lambda s, x: s.w[ids(x, D)] + F.linear(x, s.w),
    },
    w=lambda: p(D, D),
    b=lambda: nn.Parameter(torch.randn(D)),
)
simple(
    {
        "low rank": lambda s, x: F.linear(x, s.a @ s.b),
        "LoRA": lambda s, x: x @ s.b.T @ s.a.T,
    },
    a=lambda: p(D, 2),
    b=lambda: p(2, D),
)
simple(
    {
        "weights added": lambda s, x: F.linear(x, s.a @ s.b + s.w),
        "weights concatenated": lambda s, x: F.linear(x, torch.cat([s.a.T, s.b, s.w[:2]])),
    },
    a=lambda: p(D, 2),
    b=lambda: p(2, D),
    w=lambda: p(D, D),
)
simple({"kron": lambda s, x: x @ torch.kron(s.a, s.b)}, a=lambda: p(2, 2), b=lambda: p(3, 3))
simple(
    {
        "reshaped weight": lambda s, x: F.linear(x, s.w.reshape(D, D)),
        "three-dimensional einsum": lambda s, x: torch.einsum("ntd,dhe->nthe", x, s.w).flatten(2),
        "three-dimensional tensordot": lambda s, x: torch.tensordot(x, s.w, dims=1).flatten(2),
        "unbound weight": lambda s, x: torch.cat([x @ w for w in s.w.unbind(1)], -1),
    },
    w=lambda: p(D, 2, D // 2),
)
simple(
    {"complex weight": lambda s, x: (torch.view_as_complex(s.w) * torch.fft.fft(x, dim=2)).real},
    w=lambda: p(D, 2),
)
simple({"mask times weight": lambda s, x: F.linear(x, s.w * s.m)},
       w=lambda: p(D, D), m=lambda: (torch.rand(D, D) > 0.3).float())  # fmt: skip
simple({"weight per token": lambda s, x: torch.einsum("ntd,tde->nte", x, s.w)},
       fixed=True, w=lambda: p(T, D, D))  # fmt: skip
simple({"weight over tokens on the left": lambda s, x: s.w @ x}, fixed=True, w=lambda: p(T, T))


@block("alias in a tuple")
def aliased(_: random.Random) -> nn.Module:
    f = linear()
    return Op(lambda s, x: F.linear(x, s.alias[0]) + s.f(x.sin()), f=f, alias=(f.weight,))


@block("parameter list")
def parameter_list(_: random.Random) -> nn.Module:
    return Op(lambda s, x: x @ s.w[0] @ s.w[1], w=nn.ParameterList([p(D, D), p(D, D)]))


@block("parameter dict")
def parameter_dict(_: random.Random) -> nn.Module:
    return Op(lambda s, x: x @ s.w["a"].T, w=nn.ParameterDict({"a": p(D, D)}))


@block("frozen parameter")
def frozen_parameter(_: random.Random) -> nn.Module:
    return Op(lambda s, x: x @ s.w, w=p(D, D).requires_grad_(False))


@block("tied modules")
def tied(_: random.Random) -> nn.Module:
    a, b = linear(), linear()
    b.weight = a.weight
    return nn.Sequential(a, nn.Tanh(), b)


class Tanh(nn.Module):
    """A parametrization: weights between -1 and 1."""

    def forward(self, w: Tensor) -> Tensor:
        return w.tanh()


def _apply(module: nn.Module, how: Callable[..., Any], *args: Any, **kwargs: Any) -> nn.Module:
    how(module, *args, **kwargs)
    return module


PARAMETRIZED: dict[str, Callable[[], nn.Module]] = {
    "weight norm": lambda: _apply(linear(), parametrizations.weight_norm),
    "weight norm, old": lambda: _apply(linear(), weight_norm),
    "spectral norm": lambda: _apply(linear(), parametrizations.spectral_norm),
    "spectral norm, old": lambda: _apply(linear(), spectral_norm),
    "orthogonal": lambda: _apply(linear(), parametrizations.orthogonal),
    "pruned": lambda: _apply(linear(), prune.l1_unstructured, "weight", amount=0.4),
    "parametrized": lambda: _apply(
        linear(), parametrize.register_parametrization, "weight", Tanh()
    ),
}
for _name, _make in PARAMETRIZED.items():
    block(_name)(lambda _, make=_make: Op(lambda s, x: s.f(x), f=make()))


@block("weight norm, conv1d")
def weight_norm_conv(_: random.Random) -> nn.Module:
    f = parametrizations.weight_norm(nn.Conv1d(D, D, 3, padding=1))
    return Op(lambda s, x: s.f(x.mT).mT, f=f)


@block("weight norm, LSTM")
def weight_norm_lstm(_: random.Random) -> nn.Module:
    f = parametrizations.weight_norm(nn.LSTM(D, D, batch_first=True), "weight_hh_l0")
    return Op(lambda s, x: s.f(x)[0], f=f)


class Product(torch.autograd.Function):
    """``x @ w`` with a backward of its own, which ``torch.func`` does not take."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return grad @ w.T, x.flatten(0, -2).T @ grad.flatten(0, -2)


simple({"own autograd function": lambda s, x: Product.apply(x, s.w)}, w=lambda: p(D, D))


@block("holds a lock")
def locked(_: random.Random) -> nn.Module:
    """What ``copy.deepcopy`` does not take."""
    return Op(lambda s, x: s.f(x), f=linear(), lock=threading.Lock())


@block("holds a result")
def held_result(_: random.Random) -> nn.Module:
    """A tensor with a graph from before, which ``copy.deepcopy`` does not take either."""
    made = Op(lambda s, x: s.f(x), f=linear())
    made.old = (made.f(torch.ones(D)),)
    return made


@block("forward hook")
def hooked(_: random.Random) -> nn.Module:
    f = linear()
    f.register_forward_hook(lambda module, inputs, output: output * 2)
    return Op(lambda s, x: s.f(x), f=f)
