"""Monte-Carlo Fisher: as fisher, with labels drawn from the model, so none are needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..batches import Batch, logits
from ..context import Context, MetricResult


@dataclass(frozen=True)
class MonteCarloFisher:
    """The true Fisher's quadratic form, by sampling; for cross-entropy, Gauss-Newton's.

    With labels y_n drawn from the model's own probabilities p(. | x_n):

        Omega_{l,b} = 1/(2N) sum_n ⟨grad_{w_l} -log p(y_n | x_n), dw_{l,b}⟩^2

    Its expectation over the labels is 1/2 dw' GGN dw. Outputs with positions (N, C, ...) draw one
    label a position; the loss is averaged over them.

    References:
        J. Martens, New insights and perspectives on the natural gradient method, JMLR 21 (2020),
        arXiv:1412.1193.
    """

    name: str = "mc_fisher"
    passes: str = "1 forward + 1 backward"
    has_scores: bool = True
    statistic: str = "half_square"
    activations: bool = True
    uses_loss: bool = False

    def compute(self, context: Context) -> MetricResult:
        """Omega from the scores of one pass with drawn labels."""
        scores = context.rows(
            "scores with drawn labels",
            lambda number, batch: context.scores(partial(_surprise, context, batch, number)),
        )
        omega = 0.5 * (scores.astype(np.float64) ** 2).mean(axis=0)
        return MetricResult(omega, scores, passes=2)


def _surprise(context: Context, batch: Batch, number: int) -> Tensor:
    """(N,) cross-entropy against labels drawn from the output."""
    output = logits(context.forward(context.model, batch)).movedim(1, -1)
    flat = output.reshape(-1, output.shape[-1])
    generator = torch.Generator().manual_seed(context.seed * 1_000_003 + number)
    probability = flat.detach().double().softmax(dim=1).cpu()
    drawn = torch.multinomial(probability, 1, generator=generator)[:, 0].to(flat.device)
    losses = F.cross_entropy(flat, drawn, reduction="none")
    return losses.reshape(len(output), -1).mean(dim=1)


METRIC = MonteCarloFisher()
