"""Blocks of random networks, (N, T, D) -> (N, T, D): one line per way to use a weight.

Each block is registered under a name, which the fuzzer's breakdown shows. ``fixed`` blocks need T
tokens, and the rest work with any number. ``unfit`` blocks may be refused by the library; all
others must be right.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, rnn, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

D, T = 6, 4
"""Features and tokens."""


class Op(nn.Module):
    """A function of the input and of the parts (parameters, modules, tensors) given by name."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


@dataclass(frozen=True)
class Block:
    build: Callable[[random.Random], nn.Module]
    fixed: bool = False
    unfit: bool = False


BLOCKS: dict[str, Block] = {}


def block(name: str, *, fixed: bool = False, unfit: bool = False) -> Callable[..., Any]:
    def add(build: Callable[[random.Random], nn.Module]) -> Callable[[random.Random], nn.Module]:
        BLOCKS[name] = Block(build, fixed, unfit)
        return build

    return add


def p(*shape: int) -> nn.Parameter:
    """A parameter of about the size of a layer's."""
    return nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5)


def linear(_: random.Random | None = None) -> nn.Linear:
    return nn.Linear(D, D)


Run = Callable[[Any, Tensor], Tensor]


def simple(
    runs: dict[str, Run], fixed: bool = False, unfit: bool = False, **parts: Callable[[], Any]
) -> None:
    """Register one block for each function, all made of the same parts."""
    for name, run in runs.items():

        def build(_: random.Random, run: Run = run) -> nn.Module:
            return Op(run, **{part: make() for part, make in parts.items()})

        block(name, fixed=fixed, unfit=unfit)(build)


def per_sample(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.stack([f(row) for row in x])


def ids(x: Tensor, count: int = 7) -> Tensor:
    return (x.detach().sum(-1) * 3).long() % count


# --- one linear layer, in every layout -------------------------------------------------------


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


def sequence_first(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return f(x.transpose(0, 1)).transpose(0, 1)


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


# --- a raw weight, in every product ------------------------------------------------------------

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


# --- convolutions ----------------------------------------------------------------------------


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


# --- recurrent -------------------------------------------------------------------------------


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


# --- attention -------------------------------------------------------------------------------


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


# --- embeddings and positions --------------------------------------------------------------------

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


# --- experts, routing, hypernetworks -----------------------------------------------------------


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


# --- parametrized weights ------------------------------------------------------------------------


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


# --- functions of its own --------------------------------------------------------------------


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


# --- what may be refused -------------------------------------------------------------------------


@torch.no_grad()
def blind(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return f(x)


class Reentrant(Op):
    """Re-entrant checkpointing, which the reference switches off: it hides gradients."""

    reentrant = True


def shift_input(s: Any, x: Tensor) -> Tensor:
    z = x.tanh()
    out = s.f(z)
    z.add_(1)
    return out + z


def batch_branch(s: Any, x: Tensor) -> Tensor:
    return s.f(x) if float(x.detach().mean()) > 0 else x + s.f(x.sin())


@torch.no_grad()
def clamped(s: Any, x: Tensor) -> Tensor:
    s.f.weight.clamp_(-0.1, 0.1)
    with torch.enable_grad():
        return s.f(x)


def cached(s: Any, x: Tensor) -> Tensor:
    if not hasattr(s, "transposed"):
        s.transposed = (s.f.weight.T.contiguous(),)
    return x @ s.transposed[0]


def broken(error: type[Exception]) -> Run:
    def run(s: Any, x: Tensor) -> Tensor:
        raise error("of the network itself")

    return run


simple(
    {
        "no_grad": lambda s, x: x + blind(s.f, x),
        "detached output": lambda s, x: x + s.f(x).detach(),
        "detached weight": lambda s, x: x + F.linear(x, s.f.weight.detach()),
        "weight.data": lambda s, x: x + F.linear(x, s.f.weight.data),
        "straight-through sign": lambda s, x: x + s.f(x).sign(),
        "minus the batch's mean": lambda s, x: s.f(x) - s.f(x).mean(0),
        "attention over the batch": lambda s, x: F.scaled_dot_product_attention(
            *[s.f(x).transpose(0, 1)] * 3
        ).transpose(0, 1),
        "input changed in place": shift_input,
        "branch by the batch": batch_branch,
        "times zero": lambda s, x: x + s.f(x) * 0,
        "times nan": lambda s, x: x + s.f(x) * torch.nan,
        "wrong shape": lambda s, x: x @ s.f(x),
        "ValueError": broken(ValueError),
        "KeyError": broken(KeyError),
        "weight clamped": clamped,
        "transpose kept": cached,
    },
    unfit=True,
    f=linear,
)  # fmt: skip


@block("re-entrant checkpoint", unfit=True)
def reentrant(_: random.Random) -> nn.Module:
    return Reentrant(lambda s, x: checkpoint(s.f, x, use_reentrant=s.reentrant), f=linear())


@block("batch norm of the batch", unfit=True)
def batch_statistics(_: random.Random) -> nn.Module:
    f = nn.BatchNorm1d(D, track_running_stats=False)
    return Op(lambda s, x: s.f(s.g(x).flatten(0, 1)).view_as(x), f=f, g=linear())


@block("counting buffer", unfit=True)
def counting(_: random.Random) -> nn.Module:
    def run(s: Any, x: Tensor) -> Tensor:
        s.calls += 1
        return s.f(x) * s.calls

    return Op(run, f=linear(), calls=torch.zeros(()))


@block("dropout that stays", unfit=True)
def dropout(_: random.Random) -> nn.Module:
    return Op(lambda s, x: F.dropout(s.f(x), 0.5), f=linear())


@block("complex parameter", unfit=True)
def complex_parameter(_: random.Random) -> nn.Module:
    w = nn.Parameter(torch.randn(D, D, dtype=torch.complex64))
    return Op(lambda s, x: (x @ s.w.to(torch.complex128)).real.to(x.dtype), w=w)


@block("empty parameter", unfit=True)
def empty_parameter(_: random.Random) -> nn.Module:
    return Op(lambda s, x: s.f(x) + s.w.sum(), f=linear(), w=p(0, 3))


@block("integer parameter", unfit=True)
def integer_parameter(_: random.Random) -> nn.Module:
    w = nn.Parameter(torch.ones(D, D, dtype=torch.int8), requires_grad=False)
    return Op(lambda s, x: s.f(x) + x @ s.w.to(x.dtype), f=linear(), w=w)


@block("scripted", unfit=True)
def scripted(_: random.Random) -> nn.Module:
    return Op(lambda s, x: s.f(x), f=torch.jit.script(linear()))
