"""A block of a random network, (N, T, D) -> (N, T, D), and how one is registered.

``fixed`` blocks need T tokens, the rest work with any number. ``unfit`` blocks may be refused by
the library; all others must be right. The breakdown shows blocks by their names.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

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


def sequence_first(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return f(x.transpose(0, 1)).transpose(0, 1)
