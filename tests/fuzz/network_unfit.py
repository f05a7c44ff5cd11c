"""Blocks that may be refused: gradients hidden, samples mixed, errors, odd parameters."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .network_block import (
    D,
    Op,
    Run,
    block,
    linear,
    p,
    simple,
)


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
    return Op(lambda s, x: (x.cfloat() @ s.w).real.to(x.dtype), w=w)


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
