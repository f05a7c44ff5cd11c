"""Batches of random networks in every layout, and how a forward pass reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .network_block import D
from .network_heads import WORDS, Size


class Pair(NamedTuple):
    """A batch as a named tuple."""

    x: Tensor
    y: Any


@dataclass(frozen=True)
class Layout:
    """How inputs and labels make a batch, and how they are read from it.

    Args:
        make: of the inputs and the labels.
        read: gives the network's arguments.
        weight: how often it is drawn.
        plain: whether the library's own forward and loss read it.
        whole: whether every sample is a row of every tensor.
    """

    make: Callable[[Tensor, Any], Any]
    read: Callable[[Any], tuple[Any, ...]] = lambda batch: (batch[0],)
    weight: int = 1
    plain: bool = False
    whole: bool = True

    @staticmethod
    def labels(batch: Any) -> Any:
        """The labels of a batch."""
        return batch["labels"] if isinstance(batch, dict) else batch[-1]


def mapping(x: Tensor, y: Any) -> dict[str, Any]:
    return {"x": x, "labels": y}


def entry(batch: Any) -> tuple[Any, ...]:
    return (batch["x"],)


LAYOUTS = {
    "tuple": Layout(lambda x, y: (x, y), weight=4, plain=True),
    "list": Layout(lambda x, y: [x, y], weight=2, plain=True),
    "named tuple": Layout(Pair, weight=2, plain=True),
    "dict": Layout(mapping, entry, weight=2, plain=True),
    "tuple, forward given": Layout(lambda x, y: (x, y), weight=2),
    "dict, forward given": Layout(mapping, entry, weight=2),
    "dict with names": Layout(
        lambda x, y: {**mapping(x, y), "names": [f"sample {n}" for n in range(len(x))]}, entry
    ),
}
"""Of inputs of any kind."""

CONSTANT, CONSTANT_LENGTH = "dict with a constant", 4
"""A tensor that is cut with the samples of a batch as long as it."""

FLOAT_LAYOUTS = {
    "sequence first": Layout(
        lambda x, y: (x.transpose(0, 1).contiguous(), y),
        lambda batch: (batch[0].transpose(0, 1),),
        weight=2,
        whole=False,
    ),
    "folded rows": Layout(
        lambda x, y: (x.reshape(-1, D), y),
        lambda batch: (batch[0].view(len(batch[1]), -1, D),),
        weight=2,
        whole=False,
    ),
    "dict with a number": Layout(
        lambda x, y: {**mapping(x, y), "scale": 0.5}, lambda batch: (batch["x"] * batch["scale"],)
    ),
    CONSTANT: Layout(
        lambda x, y: {
            **mapping(x, y),
            "constant": torch.linspace(0, 1, CONSTANT_LENGTH, dtype=x.dtype),
        },
        lambda batch: (batch["x"] + batch["constant"].sin().sum(),),
        whole=False,
    ),
}
"""Of inputs (N, T, D), where the first dimension of a tensor may have N rows by chance."""

RAGGED = Layout(lambda x, y: (*x, y), lambda batch: tuple(batch[:-1]), whole=False)
"""Rows of all samples, and the sample that each belongs to."""


def inputs(stem: str, size: Size, kind: torch.dtype, g: torch.Generator) -> Any:
    """The inputs of a batch; ragged: rows, and the sample of each."""
    if stem == "tokens":
        return torch.randint(WORDS, (size.samples, size.tokens), generator=g)
    if stem == "images":
        return torch.randn(size.samples, 2, 6, 6, generator=g, dtype=kind)
    if stem == "ragged":
        rows = torch.randint(1, size.tokens + 1, (size.samples,), generator=g)
        index = torch.repeat_interleave(torch.arange(size.samples), rows)
        return torch.randn(len(index), D, generator=g, dtype=kind), index
    return torch.randn(size.samples, size.tokens, D, generator=g, dtype=kind)
