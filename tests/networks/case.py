"""A network with its data: what the table of cases holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SEED = 0


@dataclass(frozen=True)
class Case:
    """A real architecture, small.

    Args:
        name: what it is.
        build: makes the network; weights are drawn after `torch.manual_seed`.
        batches: makes its calibration data, in float64 where it is floats.
        loss: one loss per sample from (output, batch), as the reference takes it.
        forward: runs the network on a batch; None for the library's default.
        given: what the library is given as ``loss_fn``: ``loss`` itself, or None for its default.
        tolerance: of scores, relative to the layer's largest.
        slow: not in the quick suite.
        quantizer: as in `bitknap.Quantizer.parse`.
        double: whether the network takes float64 weights.
    """

    name: str
    build: Callable[[], nn.Module]
    batches: Callable[[], Sequence[Any]]
    loss: Callable[[Any, Any], Tensor]
    forward: Callable[[nn.Module, Any], Any] | None = None
    given: str | None = "loss"
    tolerance: float = 1e-6
    slow: bool = False
    quantizer: str = "scale=minmax"
    double: bool = True

    def model(self) -> nn.Module:
        """The network, the same each time, in evaluation mode and with statistics in its norms."""
        torch.manual_seed(SEED)
        model = self.build()
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 2)
        return (model.double() if self.double else model).eval()

    def data(self) -> list[Any]:
        """The batches, the same each time."""
        torch.manual_seed(SEED + 1)
        return list(self.batches())

    def losses(self, model: nn.Module, batch: Any) -> Tensor:
        """(N,) as the reference takes them."""
        if self.forward is not None:
            output = self.forward(model, batch)
        elif isinstance(batch, Mapping):
            output = model(**batch)
        else:
            output = model(batch[0])
        return self.loss(output, batch)


def logits(output: Any) -> Tensor:
    """The output's class scores: its ``logits``, its first part, or itself."""
    if isinstance(output, Mapping):
        return output["logits"]
    return output[0] if isinstance(output, tuple | list) else output


def labels(batch: Any) -> Tensor:
    """The batch's labels, last or under their name."""
    return batch["labels"] if isinstance(batch, Mapping) else batch[-1]


def ce(output: Any, batch: Any) -> Tensor:
    """Cross-entropy of each sample; with positions, their mean but those labelled -100."""
    target = labels(batch)
    each = F.cross_entropy(logits(output), target, ignore_index=-100, reduction="none")
    if each.dim() == 1:
        return each
    return each.flatten(1).sum(1) / (target != -100).flatten(1).sum(1)


def token_ce(output: Any, batch: Any) -> Tensor:
    """The same of scores with the classes last."""
    return ce(logits(output).movedim(-1, 1), batch)


def causal(output: Any, batch: Any) -> Tensor:
    """Next-token loss: scores at t against the label at t + 1."""
    scores, target = logits(output)[:, :-1], labels(batch)[:, 1:]
    each = F.cross_entropy(scores.movedim(-1, 1), target, ignore_index=-100, reduction="none")
    return each.sum(1) / (target != -100).sum(1)


def mse(output: Any, batch: Any) -> Tensor:
    """Mean squared error of each sample."""
    return F.mse_loss(logits(output), labels(batch), reduction="none").flatten(1).mean(1)


SIZES = (1, 3)
"""Samples of the batches: a first one of one sample, where layouts are hard to tell."""


def floats(*shape: int, classes: int = 3, sizes: Sequence[int] = SIZES) -> Callable[[], list[Any]]:
    """Batches of random inputs and class labels."""
    return lambda: [
        (torch.randn(n, *shape, dtype=torch.float64), torch.randint(classes, (n,))) for n in sizes
    ]


def images(size: int, channels: int = 3, classes: int = 3, sizes: Sequence[int] = SIZES) -> Any:
    """Batches of square random images and class labels."""
    return floats(channels, size, size, classes=classes, sizes=sizes)


def words(
    length: int, vocabulary: int, classes: int = 3, sizes: Sequence[int] = SIZES
) -> Callable[[], list[Any]]:
    """Batches of token ids and class labels."""
    return lambda: [
        (torch.randint(vocabulary, (n, length)), torch.randint(classes, (n,))) for n in sizes
    ]
