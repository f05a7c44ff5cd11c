"""Kullback-Leibler divergence of the output with that layer quantized from the float output."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..tracing.batches import Batch
from ..tracing.losses import class_scores
from .context import Context
from .measured import MeasuredMetric


def divergence(_context: Context, batch: Batch, plain: Any, changed: Any) -> Tensor:
    """KL(softmax z_n || softmax z'_n), averaged over positions if any.

    References:
        Y. Cai et al., ZeroQ, CVPR 2020, arXiv:2001.00281.
    """
    before = F.log_softmax(class_scores(plain, batch), dim=1)
    after = F.log_softmax(class_scores(changed, batch), dim=1)
    terms = (before.exp() * (before - after)).sum(dim=1)
    return terms.reshape(len(terms), -1).mean(dim=1)


METRIC = MeasuredMetric("kl", divergence)
