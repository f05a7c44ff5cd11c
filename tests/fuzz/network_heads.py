"""Heads of random networks: what comes out, the labels, and the loss of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network_block import D, T

CLASSES, WORDS = 3, 11


class Size(NamedTuple):
    """Samples and tokens of a batch (ragged: the most rows per sample), and its seed."""

    samples: int
    tokens: int
    seed: int


@dataclass(frozen=True)
class Head:
    """The last layer, what it makes of (N, T, D), its labels and its loss.

    ``loss`` is what the reference takes; ``given`` is what the library is given, None for its
    default.
    """

    build: Callable[[], nn.Module]
    output: Callable[[Any, Tensor], Any]
    labels: Callable[[Size, torch.Generator], Any]
    loss: Callable[[Any, Any], Tensor]
    given: Any = "loss"
    unfit: bool = False
    tokens: bool = False


def classes(size: Size, g: torch.Generator) -> Tensor:
    return torch.randint(CLASSES, (size.samples,), generator=g)


def words(count: int) -> Callable[[Size, torch.Generator], Tensor]:
    """Labels of tokens, the first of each sample counted and some of the others -100."""

    def draw(size: Size, g: torch.Generator) -> Tensor:
        labels = torch.randint(count, (size.samples, size.tokens), generator=g)
        left_out = torch.rand(labels.shape, generator=g) < 0.3
        left_out[:, 0] = False
        return labels.masked_fill(left_out, -100)

    return draw


def floats(*shape: int) -> Callable[[Size, torch.Generator], Tensor]:
    return lambda size, g: torch.rand(size.samples, *shape, generator=g, dtype=torch.float64)


def ce(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output, y.long(), reduction="none")


def padded(output: Tensor, y: Tensor) -> Tensor:
    each = F.cross_entropy(output.transpose(1, 2), y, ignore_index=-100, reduction="none")
    return each.sum(1) / (y != -100).sum(1)


def squares(output: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(output, y.to(output.dtype), reduction="none").mean(1)


def pooled(head: Any, x: Tensor) -> Tensor:
    return head(x.mean(1))


def three() -> nn.Module:
    return nn.Linear(D, CLASSES)


def two() -> nn.Module:
    return nn.ModuleList([three(), three()])


HEADS: dict[str, Head] = {
    "classes, given loss": Head(three, pooled, classes, ce),
    "classes, default loss": Head(three, pooled, classes, ce, None),
    "classes, loss module": Head(
        three, pooled, classes, ce, nn.CrossEntropyLoss(reduction="none")
    ),
    "classes in a dict": Head(
        three, lambda h, x: {"logits": pooled(h, x), "x": x}, classes,
        lambda o, y: ce(o["logits"], y), None,
    ),
    "classes in a tuple": Head(
        three, lambda h, x: (pooled(h, x), x), classes, lambda o, y: ce(o[0], y), None
    ),
    "int32 labels": Head(three, pooled, lambda s, g: classes(s, g).int(), ce, None),
    "labels (N, 1)": Head(
        three, pooled, lambda s, g: classes(s, g)[:, None], lambda o, y: ce(o, y[:, 0]), None,
        unfit=True,
    ),
    "last token": Head(three, lambda h, x: h(x[:, -1]), classes, ce),
    "flattened": Head(lambda: nn.Linear(T * D, CLASSES), lambda h, x: h(x.flatten(1)), classes, ce,
                      tokens=True),
    "tokens, -100": Head(lambda: nn.Linear(D, 5), lambda h, x: h(x), words(5), padded,
                         tokens=True),
    "tokens, channels second, default loss": Head(
        lambda: nn.Linear(D, 7), lambda h, x: h(x).transpose(1, 2), words(7),
        lambda o, y: padded(o.transpose(1, 2), y), None, tokens=True,
    ),
    "tied to the stem": Head(
        lambda: nn.Linear(D, WORDS), lambda h, x: h(x), words(WORDS), padded, tokens=True
    ),
    "regression": Head(lambda: nn.Linear(D, 2), pooled, floats(2), squares),
    "regression, loss module": Head(
        lambda: nn.Linear(D, 2), pooled, floats(2), squares, nn.MSELoss(reduction="none")
    ),
    "regression, default loss": Head(
        lambda: nn.Linear(D, 2), pooled, floats(2), squares, None, unfit=True
    ),
    "several labels": Head(
        three, pooled, lambda s, g: (floats(3)(s, g) > 0.5).double(),
        lambda o, y: F.binary_cross_entropy_with_logits(o, y.to(o.dtype), reduction="none").sum(1),
    ),
    "two heads": Head(
        two, lambda h, x: tuple(pooled(one, x) for one in h), classes,
        lambda o, y: ce(o[0], y) + ce(o[1], y),
    ),
    "second head unused": Head(
        two, lambda h, x: [pooled(one, x) for one in h], classes, lambda o, y: ce(o[0], y),
        unfit=True,
    ),
    "classes in an object": Head(
        three, lambda h, x: SimpleNamespace(scores=pooled(h, x)), classes,
        lambda o, y: ce(o.scores, y),
    ),
    "early exits": Head(
        two, lambda h, x: {"early": h[0](x[:, 0]), "late": h[1](x.mean(1))}, classes,
        lambda o, y: ce(o["early"], y) / 3 + ce(o["late"], y),
    ),
    "bilinear": Head(
        lambda: nn.Bilinear(D, D, CLASSES), lambda h, x: h(x.mean(1), x[:, 0]), classes, ce
    ),
    "contrastive": Head(
        lambda: nn.Linear(D, D), pooled, classes,
        lambda o, y: ce(o @ o.flip(0).T, torch.arange(len(o))), unfit=True,
    ),
    "loss divided by the batch": Head(
        three, pooled, classes, lambda o, y: ce(o, y) / len(y), unfit=True
    ),
    "loss weighted by the batch's labels": Head(
        three, pooled, classes, lambda o, y: ce(o, y) / torch.bincount(y)[y], unfit=True
    ),
    "loss detached": Head(three, pooled, classes, lambda o, y: ce(o, y).detach(), unfit=True),
    "mean loss": Head(three, pooled, classes, ce, lambda o, b: ce(o, b[1]).mean(), unfit=True),
}  # fmt: skip
