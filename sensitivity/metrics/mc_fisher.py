"""Monte-Carlo Fisher: as fisher, with labels drawn from the model, so none are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..tracing.batches import Batch
from ..tracing.losses import class_scores
from .context import Context, Metric, MetricResult


@dataclass(frozen=True)
class MonteCarloFisher(Metric):
    """The true Fisher's quadratic form, by sampling; for cross-entropy, Gauss-Newton's.

    With labels y_n drawn from the model's own probabilities p(. | x_n):

        Omega_{l,b} = 1/(2N) sum_n ⟨grad_{w_l} -log p(y_n | x_n), dw_{l,b}⟩^2

    Its expectation over the labels is 1/2 dw' GGN dw. Outputs with positions (N, C, ...) draw one
    label per position; the loss is averaged over them.

    References:
        J. Martens, New insights and perspectives on the natural gradient method, JMLR 21 (2020),
        arXiv:1412.1193.
    """

    name: str = "mc_fisher"
    passes: str = "1 forward + 1 backward"
    statistic: str = "half_square"
    activations: bool = True
    uses_loss: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Omega from the scores of one pass with drawn labels."""
        scores = context.rows(
            "scores with drawn labels",
            lambda number, _: context.scores(number, _Surprise(context, number)),
        )
        omega = 0.5 * (scores.astype(np.float64) ** 2).mean(axis=0)
        return MetricResult(omega, scores, passes=2)


class _Surprise:
    """Cross-entropy of a batch's samples against labels drawn once for the whole batch."""

    def __init__(self, context: Context, number: int) -> None:
        self._context, self._number = context, number
        self._drawn: Tensor | None = None

    def __call__(self, piece: Batch, rows: slice) -> Tensor:
        """(n,) values of the samples ``rows``, which the piece holds."""
        scores = self._scores(piece)
        if self._drawn is None:
            whole = self._context.batches[self._number]
            with torch.no_grad():
                self._drawn = self._draw(scores if piece is whole else self._scores(whole))
        losses = F.cross_entropy(scores, self._drawn[rows], reduction="none")
        return losses.reshape(len(losses), -1).mean(dim=1)

    def _scores(self, piece: Batch) -> Tensor:
        context = self._context
        return class_scores(context.forward(context.model, piece), piece)

    def _draw(self, scores: Tensor) -> Tensor:
        """(N, ...) labels, one per position."""
        flat = scores.detach().movedim(1, -1)
        seed = self._context.seed * 1_000_003 + self._number
        generator = torch.Generator().manual_seed(seed)
        probability = flat.reshape(-1, flat.shape[-1]).double().softmax(dim=1).cpu()
        drawn = torch.multinomial(probability, 1, generator=generator)[:, 0]
        return drawn.reshape(flat.shape[:-1]).to(scores.device)


METRIC = MonteCarloFisher()
