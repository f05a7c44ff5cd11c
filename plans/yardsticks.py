"""Damages: what a quantized network's output is held against the float network's by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bitknap.problems.errors import BitknapError, UnsupportedError
from bitknap.sensitivity.tracing.batches import Batch, LossFn, per_sample
from bitknap.sensitivity.tracing.losses import class_scores

Yardstick = Callable[[Any, Any, Batch], Tensor]
"""``damage(plain, changed, batch)``: (N,) from the outputs of the float and the other network."""

NAMES = ("auto", "kl", "agreement", "loss")


def yardstick(name: str, loss: LossFn | None = None) -> Yardstick:
    """The damage of a name.

    * ``auto``: ``kl`` where the outputs are scores of classes, else ``loss``.
    * ``kl``: KL(p_n || p'_n) of the softmax outputs, averaged over positions if any.
    * ``agreement``: share of positions whose largest output is another one.
    * ``loss``: the increase of the loss.

    Raises:
        UnsupportedError: the name is none, or ``loss`` comes without a loss.
    """
    if name not in NAMES:
        raise UnsupportedError(f"a damage is one of {', '.join(NAMES)}; got {name!r}")
    if name == "kl":
        return _divergence
    if name == "agreement":
        return _disagreement
    if loss is None:
        raise UnsupportedError(f"the damage {name!r} needs the loss; pass loss_fn=")
    increase = _increase(loss)
    return increase if name == "loss" else _first_that_fits(_divergence, increase)


def _increase(loss: LossFn) -> Yardstick:
    def increase(plain: Any, changed: Any, batch: Batch) -> Tensor:
        return per_sample(loss(changed, batch)) - per_sample(loss(plain, batch))

    return increase


def _first_that_fits(first: Yardstick, second: Yardstick) -> Yardstick:
    def damage(plain: Any, changed: Any, batch: Batch) -> Tensor:
        try:
            return first(plain, changed, batch)
        except BitknapError:
            return second(plain, changed, batch)

    return damage


def _divergence(plain: Any, changed: Any, batch: Batch) -> Tensor:
    scores = class_scores(plain, batch)
    if scores.shape[1] < 2:
        raise UnsupportedError("the divergence needs scores of two classes or more")
    before = F.log_softmax(scores, dim=1)
    after = F.log_softmax(class_scores(changed, batch), dim=1)
    terms = (before.exp() * (before - after)).sum(dim=1)
    return terms.reshape(len(terms), -1).mean(dim=1)


def _disagreement(plain: Any, changed: Any, batch: Batch) -> Tensor:
    best = [class_scores(output, batch).argmax(dim=1) for output in (plain, changed)]
    other = torch.ne(*best).double()
    return other.reshape(len(other), -1).mean(dim=1)
