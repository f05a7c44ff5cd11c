"""Linear probe: multinomial logistic regression on the features of a fixed encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DECAY = 1e-5
STEPS = 300


def fit_probe(features: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """Fit a probe by L-BFGS in float64 from zero weights.

    It minimises ``mean_n CE(W f_n + b, y_n) + DECAY / 2 ||W||^2``, which is convex: no seed.

    Args:
        features: ``(N, d)``.
        labels: ``(N,)`` int64.
    """
    features = features.double()
    probe = nn.Linear(features.shape[1], classes).double()
    nn.init.zeros_(probe.weight)
    nn.init.zeros_(probe.bias)
    optimizer = torch.optim.LBFGS(
        probe.parameters(), max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(probe(features), labels)
        loss = loss + DECAY / 2 * probe.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return probe.float().requires_grad_(False)
