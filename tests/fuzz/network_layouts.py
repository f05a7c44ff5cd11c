"""Layers in every layout: linear ones, convolutions, recurrent ones, attention."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import rnn
from torch.utils.checkpoint import checkpoint

from .network_block import (
    D,
    Op,
    T,
    block,
    linear,
    p,
    per_sample,
    sequence_first,
    simple,
)


def sort_rows(s: Any, x: Tensor) -> Tensor:
    order = x[:, 0, 0].argsort()
    return s.f(x[order])[order.argsort()]


def sort_tokens(s: Any, x: Tensor) -> Tensor:
    """Rows of the whole batch in an order that the data give, as experts sort them."""
    flat = x.reshape(-1, D)
    order = flat[:, 0].argsort()
    return s.f(flat[order])[order.argsort()].reshape(x.shape)


def reverse_by_data(s: Any, x: Tensor) -> Tensor:
    return s.f(x.flip(0)).flip(0) if float(x[0, 0, 0]) > 0 else s.f(x)


def keep(s: Any, x: Tensor) -> Tensor:
    s.kept = s.f(x)
    return s.kept


simple(
    {
        "linear": lambda s, x: s.f(x),
        "linear, folded rows": lambda s, x: s.f(x.reshape(-1, D)).reshape(x.shape),
        "linear, sequence first": lambda s, x: sequence_first(s.f, x),
        "linear, token-major rows": lambda s, x: (
            s.f(x.transpose(0, 1).reshape(-1, D)).reshape(x.shape[1], len(x), D).transpose(0, 1)
        ),
        "linear, per token": lambda s, x: torch.stack([s.f(row) for row in x.unbind(1)], 1),
        "linear, per sample": lambda s, x: per_sample(s.f, x),
        "linear, per vector": lambda s, x: per_sample(lambda row: per_sample(s.f, row), x),
        "linear, batch repeated": lambda s, x: s.f(x.repeat(2, 1, 1)).view(2, *x.shape).mean(0),
        "linear, batch interleaved": lambda s, x: (
            s.f(x.repeat_interleave(2, 0)).view(len(x), 2, *x.shape[1:]).mean(1)
        ),
        "linear, siamese": lambda s, x: sum(s.f(torch.cat([x, x.sin()])).chunk(2)),
        "linear, batch reversed": lambda s, x: s.f(x.flip(0)).flip(0),
        "linear, batch sorted": sort_rows,
        "linear, tokens sorted": sort_tokens,
        "linear, batch reversed by data": reverse_by_data,
        "output kept": keep,
        "linear, leading dimension": lambda s, x: s.f(x[None])[0],
        "linear, stacked first": lambda s, x: s.f(torch.stack([x, x.cos()])).sum(0),
        "linear, three times": lambda s, x: s.f(s.f(s.f(x).tanh()).tanh()),
        "linear, two layouts": lambda s, x: s.f(x) + sequence_first(s.f, x.sin()),
        "linear, extra dimension": lambda s, x: s.f(x.reshape(-1, 1, D)).reshape(x.shape),
        "linear on one token": lambda s, x: x + s.f(x[:, :1]),
        "gate": lambda s, x: x * s.f(x).sigmoid(),
        "in place on the output": lambda s, x: s.f(x).mul_(2).sigmoid_(),
        "in place residual": lambda s, x: s.f(x).add_(x),
        "checkpoint": lambda s, x: checkpoint(s.f, x, use_reentrant=False),
        "functional_call": lambda s, x: torch.func.functional_call(
            s.f, {"weight": s.f.weight * 2}, (x,)
        ),
    },
    f=linear,
)
simple({"linear over tokens": lambda s, x: s.f(x.mT).mT}, fixed=True, f=lambda: nn.Linear(T, T))
simple(
    {"linear of a constant": lambda s, x: x + s.f(s.constant).mean(0)},
    f=linear,
    constant=lambda: torch.randn(2, D),
)


@block("conv1d")
def conv1d(r: random.Random) -> nn.Module:
    groups, mode = r.choice([1, 2, 3, D]), r.choice(["zeros", "replicate", "circular"])
    f = nn.Conv1d(D, D, 3, padding=1, groups=groups, padding_mode=mode, bias=r.random() < 0.5)
    return Op(lambda s, x: s.f(x.mT).mT, f=f)


@block("conv1d, per sample")
def conv1d_unbatched(_: random.Random) -> nn.Module:
    return Op(lambda s, x: per_sample(lambda row: s.f(row.T).T, x), f=nn.Conv1d(D, D, 3, padding=1))


@block("conv1d, folded rows")
def conv1d_folded(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return s.f(x.reshape(-1, 1, D)).mean(1).reshape(x.shape)

    return Op(run, f=nn.Conv1d(1, 2, 3, padding=1))


@block("conv2d")
def conv2d(r: random.Random) -> nn.Module:
    f = nn.Conv2d(1, 3, (1, 3), padding=(0, 1), dilation=1, bias=r.random() < 0.5)
    return Op(lambda s, x: s.g(s.f(x[:, None]).tanh())[:, 0], f=f, g=nn.Conv2d(3, 1, 1))


@block("transposed conv")
def transposed(r: random.Random) -> nn.Module:
    groups = r.choice([1, 2, 3, D])
    return Op(lambda s, x: s.f(x.mT).mT, f=nn.ConvTranspose1d(D, D, 3, padding=1, groups=groups))


@block("transposed conv, strided")
def upsample(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return F.avg_pool1d(s.f(x.mT), 2).mT

    return Op(run, f=nn.ConvTranspose1d(D, D, 2, stride=2))


@block("F.conv1d of a slice")
def conv_slice(_: random.Random) -> nn.Module:
    return Op(lambda s, x: F.conv1d(x.mT, s.w[:, :, :1].contiguous()).mT + x, w=p(D, D, 3))


@block("samples as groups")
def grouped_samples(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        kernels = (s.route(x.mean(1)).softmax(-1) @ s.w.flatten(1)).reshape(-1, D, 3)
        flat = x.mT.reshape(1, -1, x.shape[1])
        return F.conv1d(flat, kernels, padding=1, groups=len(x)).reshape(len(x), D, -1).mT

    return Op(run, route=nn.Linear(D, 2), w=p(2, D, D, 3))


@block("repeated weight, samples as groups")
def repeated(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        flat, weight = x.mT.reshape(1, -1, x.shape[1]), s.f.weight.repeat(len(x), 1, 1)
        return F.conv1d(flat, weight, padding=1, groups=len(x)).reshape(len(x), D, -1).mT

    return Op(run, f=nn.Conv1d(D, D, 3, padding=1, bias=False))


@block("recurrent")
def recurrent(r: random.Random) -> nn.Module:
    kind, both, first = r.choice([nn.RNN, nn.GRU, nn.LSTM]), r.random() < 0.5, r.random() < 0.5
    f = kind(D, D, r.choice([1, 2]), bidirectional=both, batch_first=first)

    def run(s: Any, x: Tensor) -> Tensor:
        out = s.f(x)[0] if first else sequence_first(lambda z: s.f(z)[0], x)
        return out[..., :D] + out[..., -D:]

    return Op(run, f=f)


@block("LSTM, projected")
def projected(_: random.Random) -> nn.Module:
    return Op(lambda s, x: s.f(x)[0], f=nn.LSTM(D, 8, proj_size=D, batch_first=True))


@block("LSTM, per sample")
def unbatched_lstm(_: random.Random) -> nn.Module:
    return Op(lambda s, x: per_sample(lambda row: s.f(row)[0], x), f=nn.LSTM(D, D))


@block("packed sequences")
def packed(r: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        lengths = (x[:, :, 0] > 0).sum(1).clamp(min=1).cpu()
        sequence = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(s.f(sequence)[0], True, total_length=x.shape[1])[0]

    return Op(run, f=r.choice([nn.GRU, nn.LSTM])(D, D, batch_first=True))


@block("cell")
def cell(r: random.Random) -> nn.Module:
    lstm = r.random() < 0.5

    def run(s: Any, x: Tensor) -> Tensor:
        state, out = (x[:, 0], x[:, 0]) if lstm else x[:, 0], []
        for row in x.unbind(1):
            state = s.f(row, state)
            out.append(state[0] if lstm else state)
        return torch.stack(out, 1)

    return Op(run, f=nn.LSTMCell(D, D) if lstm else r.choice([nn.GRUCell, nn.RNNCell])(D, D))


@block("attention")
def attention(r: random.Random) -> nn.Module:
    first, weights = r.random() < 0.5, r.random() < 0.5

    def run(s: Any, x: Tensor) -> Tensor:
        def attend(z: Tensor) -> Tensor:
            return s.f(z, z, z, need_weights=weights)[0]

        return attend(x) if first else sequence_first(attend, x)

    return Op(run, f=nn.MultiheadAttention(D, r.choice([1, 2, 3]), batch_first=first))


@block("attention, other keys")
def other_keys(_: random.Random) -> nn.Module:
    f = nn.MultiheadAttention(D, 2, kdim=3, vdim=2, batch_first=True)
    return Op(lambda s, x: s.f(x, x[..., :3], x[..., 3:5])[0], f=f)


@block("encoder layer")
def encoder(r: random.Random) -> nn.Module:
    first, norm_first = r.random() < 0.5, r.random() < 0.5
    f = nn.TransformerEncoderLayer(
        D, 2, 8, batch_first=first, norm_first=norm_first, activation=r.choice(["relu", "gelu"])
    )
    return Op(lambda s, x: s.f(x) if first else sequence_first(s.f, x), f=f)


@block("decoder layer")
def decoder(_: random.Random) -> nn.Module:
    f = nn.TransformerDecoderLayer(D, 2, 8, batch_first=True)
    return Op(lambda s, x: s.f(x, x.sin()), f=f)


@block("learned queries")
def queries(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        return x + s.f(s.q.expand(len(x), -1, -1), x, x)[0].mean(1, True)

    return Op(run, f=nn.MultiheadAttention(D, 2, batch_first=True), q=p(3, D))


@block("einsum attention")
def einsum_attention(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        q, k, v = torch.einsum("ntd,cdhe->cnhte", x, s.w)
        out = (q @ k.mT).softmax(-1) @ v
        return torch.einsum("nhte,hed->ntd", out, s.o)

    return Op(run, w=p(3, D, 2, 3), o=p(2, 3, D))


@block("fused projection, split")
def fused(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        q, k, v = s.qkv(x).chunk(3, -1)
        return s.o(F.scaled_dot_product_attention(q, k, v))

    return Op(run, qkv=nn.Linear(D, 3 * D), o=linear())


@block("windows", fixed=True)
def windows(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        z = x.roll(1, 1).reshape(-1, 2, D)
        q, k, v = s.qkv(z).chunk(3, -1)
        bias = s.table[torch.tensor([[1, 2], [0, 1]])][..., 0]
        out = (q @ k.mT + bias).softmax(-1) @ v
        return out.reshape(x.shape).roll(-1, 1)

    return Op(run, qkv=nn.Linear(D, 3 * D), table=p(3, 1))
