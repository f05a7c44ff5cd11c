"""Damages: what a quantized network's output is held against the float network's by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bitknap.problems.errors import UnsupportedError
from bitknap.sensitivity.tracing.batches import Batch, LossFn, per_sample
from bitknap.sensitivity.tracing.losses import class_scores

Yardstick = Callable[[Any, Any, Batch], Tensor]
"""``damage(plain, changed, batch)``: (N,) from the outputs of the float and the other network."""

NAMES = ("kl", "agreement", "loss")


def yardstick(name: str, loss: LossFn | None = None) -> Yardstick:
    """The damage of a name.

    * ``kl``: KL(p_n || p'_n) of the softmax outputs, averaged over positions if any.
    * ``agreement``: share of positions whose largest output is another one.
    * ``loss``: the increase of the loss.

    Raises:
        UnsupportedError: the name is none, or ``loss`` comes without a loss.
    """
    if name == "kl":
        return _divergence
    if name == "agreement":
        return _disagreement
    if name != "loss":
        raise UnsupportedError(f"a damage is one of {', '.join(NAMES)}; got {name!r}")
    if loss is None:
        raise UnsupportedError("the damage 'loss' needs the loss; pass loss_fn=")
    chosen = loss
    return lambda plain, changed, batch: (
        per_sample(chosen(changed, batch)) - per_sample(chosen(plain, batch))
    )


def _divergence(plain: Any, changed: Any, batch: Batch) -> Tensor:
    before = F.log_softmax(class_scores(plain, batch), dim=1)
    after = F.log_softmax(class_scores(changed, batch), dim=1)
    terms = (before.exp() * (before - after)).sum(dim=1)
    return terms.reshape(len(terms), -1).mean(dim=1)


def _disagreement(plain: Any, changed: Any, batch: Batch) -> Tensor:
    best = [class_scores(output, batch).argmax(dim=1) for output in (plain, changed)]
    other = torch.ne(*best).double()
    return other.reshape(len(other), -1).mean(dim=1)
