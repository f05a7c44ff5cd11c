"""Two plans on the same samples: which answers differ, and by how much the damage does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True)
class Paired:
    """One plan against another.

    Args:
        better: samples that only the first answers right.
        worse: samples that only the second answers right.
        p: of McNemar's exact two-sided test, that both are equally likely.
        damage: mean of the first's damages minus the second's.
        error: standard error of that mean.
    """

    better: int
    worse: int
    p: float
    damage: float
    error: float


def paired(
    right: NDArray[np.bool_],
    other: NDArray[np.bool_],
    damages: NDArray[np.floating],
    others: NDArray[np.floating],
) -> Paired:
    """Compare plans by their answers and damages, sample by sample.

    Args:
        right, other: (N,) whether the first and the second plan answer right.
        damages, others: (M,) their damages.

    References:
        Q. McNemar, Psychometrika 12 (1947) 153-157.
    """
    better, worse = int((right & ~other).sum()), int((other & ~right).sum())
    differ = better + worse
    p = float(binomtest(better, differ).pvalue) if differ else 1.0
    gaps = np.asarray(damages, dtype=np.float64) - others
    error = float(gaps.std(ddof=1)) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.inf
    return Paired(better, worse, p, float(gaps.mean()), error)
