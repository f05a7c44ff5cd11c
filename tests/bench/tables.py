"""Sensitivity tables made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.sensitivity import LayerInfo, SensitivityTable

STATISTICS = ("half_square", "mean", "absolute_mean", "sum")


def made_table(
    scores: NDArray[np.float64],
    sizes: Sequence[int],
    bits: Sequence[int] = (2, 4, 8),
    statistic: str = "half_square",
    **fields: Any,
) -> SensitivityTable:
    """A table of linear layers with the given scores under the metric ``fisher``.

    ``loss_only`` is a metric without scores.
    """
    layers = tuple(
        LayerInfo(f"l{i}", "linear", (n,), n, f"l{i}.weight") for i, n in enumerate(sizes)
    )
    widths = np.array([b for _ in sizes for b in bits], dtype=np.int64)
    numel = np.repeat(np.array(sizes, dtype=np.int64), len(bits))
    omega = {
        "half_square": 0.5 * (scores**2).mean(axis=0),
        "mean": scores.mean(axis=0),
        "absolute_mean": np.abs(scores.mean(axis=0)),
        "sum": scores.sum(axis=0),
    }[statistic]
    return SensitivityTable(
        layers=layers,
        offsets=np.arange(len(sizes) + 1, dtype=np.int64) * len(bits),
        labels=tuple(map(str, widths)),
        bits=widths,
        costs={"size_bits": numel * widths + 32, "bops": numel * widths * 32},
        omega={"fisher": omega, "loss_only": omega},
        scores={"fisher": scores},
        statistics={"fisher": statistic},
        metric_cost={name: {"seconds": 0.5, "passes": 2.0} for name in ("fisher", "loss_only")},
        **fields,
    )


def random_table(
    layers: int = 6,
    samples: int = 40,
    seed: int = 0,
    statistic: str = "half_square",
    **fields: Any,
) -> SensitivityTable:
    """Scores that shrink with the bits, of layers with something in common."""
    draw = np.random.default_rng(seed)
    scale = np.exp(draw.normal(size=layers))[:, None] * np.array([1.0, 0.3, 0.02])
    common = draw.normal(size=(samples, 1))
    scores = (common + draw.normal(size=(samples, 3 * layers))) * scale.ravel()
    return made_table(scores, draw.integers(20, 90, layers).tolist(), statistic=statistic, **fields)
