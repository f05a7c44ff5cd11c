"""Embeddings and positions, experts, hypernetworks, rows that the data choose."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network_block import (
    D,
    Op,
    T,
    block,
    ids,
    linear,
    p,
    sequence_first,
    simple,
)

simple(
    {
        "embedding": lambda s, x: s.f(ids(x)) + x,
        "embedding, sequence first": lambda s, x: s.f(ids(x).T).transpose(0, 1) + x,
        "one-hot product": lambda s, x: F.one_hot(ids(x), 7).to(x.dtype) @ s.f.weight + x,
        "rows of a parameter": lambda s, x: s.f.weight[ids(x)] + x,
        "index_select": lambda s, x: s.f.weight.index_select(0, ids(x).flatten()).view_as(x) + x,
        "embedding, absolute first": lambda s, x: s.f(ids(x)[:, :1]) * x,
    },
    f=lambda: nn.Embedding(7, D),
)
simple({"embedding, padding": lambda s, x: s.f(ids(x)) + x},
       f=lambda: nn.Embedding(7, D, padding_idx=1))  # fmt: skip
simple({"embedding, sparse": lambda s, x: s.f(ids(x)) + x},
       unfit=True, f=lambda: nn.Embedding(7, D, sparse=True))  # fmt: skip
simple({"embedding, max_norm": lambda s, x: s.f(ids(x)) + x},
       unfit=True, f=lambda: nn.Embedding(7, D, max_norm=0.5))  # fmt: skip


@block("embedding bag")
def bag(r: random.Random) -> nn.Module:
    f = nn.EmbeddingBag(7, D, mode=r.choice(["sum", "mean"]))
    return Op(lambda s, x: x * s.f(ids(x))[:, None], f=f)


@block("embedding bag, offsets")
def bag_offsets(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        flat = ids(x).flatten()
        return x + s.f(flat, torch.arange(0, len(flat), x.shape[1]))[:, None]

    return Op(run, f=nn.EmbeddingBag(7, D))


simple(
    {
        "positions, embedding": lambda s, x: x + s.e(torch.arange(x.shape[1])),
        "positions, embedding of a row": lambda s, x: x + s.e(torch.arange(x.shape[1])[None]),
        "positions, expanded": lambda s, x: (
            x + s.e(torch.arange(x.shape[1]).expand(len(x), x.shape[1]))
        ),
        "positions, parameter": lambda s, x: x + s.e.weight[: x.shape[1]],
        "positions, sequence first": lambda s, x: sequence_first(
            lambda z: z + s.e.weight[: len(z), None], x
        ),
        "relative positions": lambda s, x: (x @ x.mT + s.e.weight[: x.shape[1], 0]).softmax(-1) @ x,
    },
    e=lambda: nn.Embedding(T + 2, D),
)
simple({"class token": lambda s, x: s.f(torch.cat([s.c.expand(len(x), 1, D), x], 1))[:, 1:]
        + s.f(s.c)}, f=lambda: nn.TransformerEncoderLayer(D, 2, 8, batch_first=True),
       c=lambda: p(1, 1, D))  # fmt: skip
simple({"scale of two dimensions": lambda s, x: x * s.w}, w=lambda: p(1, D))
simple({"layer norm of two dimensions": lambda s, x: s.f(x)}, fixed=True,
       f=lambda: nn.LayerNorm((T, D)))  # fmt: skip


def routed(
    gate: Callable[[Tensor], Tensor], expert: Callable[[int, Tensor], Tensor], x: Tensor
) -> Tensor:
    """Each token through the expert of its largest share; experts without tokens do not run."""
    flat = x.reshape(-1, D)
    share = gate(flat).softmax(-1)
    chosen, out = share.argmax(-1), torch.zeros_like(flat)
    for i in range(3):
        rows = (chosen == i).nonzero()[:, 0]
        if len(rows):
            out = out.index_add(0, rows, expert(i, flat[rows]) * share[rows, i : i + 1])
    return out.reshape(x.shape)


@block("experts, modules")
def experts(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return routed(s.gate, lambda i, z: s.e[i](z), x)

    return Op(run, gate=nn.Linear(D, 3), e=nn.ModuleList(linear() for _ in range(3)))


@block("experts, one parameter")
def experts_parameter(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return routed(s.gate, lambda i, z: F.linear(z, s.w[i]), x)

    return Op(run, gate=nn.Linear(D, 3), w=p(3, D, D))


@block("experts, all, bmm")
def experts_bmm(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        flat = x.reshape(1, -1, D).expand(3, -1, -1)
        share = s.gate(x.reshape(-1, D)).softmax(-1).T[..., None]
        return (torch.bmm(flat, s.w).tanh() * share).sum(0).reshape(x.shape)

    return Op(run, gate=nn.Linear(D, 3), w=p(3, D, D))


@block("experts, gathered")
def experts_gathered(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        share, chosen = s.gate(x).softmax(-1).topk(2)
        return (torch.einsum("ntd,ntkde->ntke", x, s.w[chosen]) * share[..., None]).sum(2)

    return Op(run, gate=nn.Linear(D, 3), w=p(3, D, D))


@block("hypernetwork")
def hyper(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return torch.bmm(x, s.h(x.mean(1)).view(-1, D, D))

    return Op(run, h=nn.Linear(D, D * D))


@block("FiLM")
def film(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        scale, shift = s.h(x.mean(1))[:, None].chunk(2, -1)
        return x * scale + shift

    return Op(run, h=nn.Linear(D, 2 * D))


@block("KAN")
def kan(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        basis = torch.stack([torch.sin(k * x) for k in range(1, 4)], -1)
        return torch.einsum("ntdk,dek->nte", basis, s.w)

    return Op(run, w=p(D, D, 3))


@block("bilinear")
def bilinear(_: random.Random) -> nn.Module:
    return Op(lambda s, x: s.f(x, x.sin()), f=nn.Bilinear(D, D, D))


@block("rows by data")
def rows_by_data(r: random.Random) -> nn.Module:
    least = r.choice([0.3, 1.0, 1.5])

    def run(s: Any, x: Tensor) -> Tensor:
        rows = (x[:, 0, 0] > least).nonzero()[:, 0]
        return x.index_add(0, rows, s.f(x[rows]))

    return Op(run, f=linear())


@block("tokens by data")
def tokens_by_data(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        mask, out = x[..., 0] > 0, x.clone()
        out[mask] = s.f(x[mask])
        return out

    return Op(run, f=linear())


@block("branch per sample")
def branch(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return torch.stack([s.f(row) if float(row[0, 0]) > 0 else s.g(row) for row in x])

    return Op(run, f=linear(), g=linear())


@block("slice assigned")
def assigned(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        out = x.clone()
        out[:, 0] = s.f(x[:, 0])
        return out

    return Op(run, f=linear())


@block("unused branch")
def unused(_: random.Random) -> nn.Module:
    return Op(lambda s, x: s.f(x), f=linear(), never=linear())
