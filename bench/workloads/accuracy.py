"""Measured accuracy: a share of right answers, its interval, and differences between networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from torch import Tensor

from bitknap.problems.schema import Count, Range

LEVEL = 0.95
"""Of the intervals."""

NOISE = 1.96
"""Standard errors within which a difference is no difference, at the same level."""


@dataclass(frozen=True)
class Difference:
    """The accuracy of one network minus that of another.

    Args:
        value: difference of the shares of right answers.
    """

    value: float
    error: float

    @property
    def level(self) -> bool:
        """Whether it is within the noise."""
        return abs(self.value) <= NOISE * self.error

    def __str__(self) -> str:
        return f"{100 * self.value:+.2f}{' level' if self.level else ''}"


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers, with its sampling error.

    Args:
        total: questions, >= 1.
        measures: other values taken on the way, by name, e.g. ``{"perplexity": 17.2}``.
        answers: which answers were right, a bit each, in hexadecimal; or empty.
    """

    correct: Count
    total: Annotated[int, Range(1, 1 << 62)]
    measures: Mapping[str, float] = field(default_factory=dict, hash=False)
    answers: str = field(default="", repr=False)

    @staticmethod
    def of(right: Tensor) -> Accuracy:
        """The accuracy of ``(N,)`` answers, true where right."""
        packed = np.packbits(right.cpu().numpy().astype(bool))
        return Accuracy(int(right.sum()), len(right), answers=packed.tobytes().hex())

    @property
    def value(self) -> float:
        """``correct / total``, between 0 and 1."""
        return self.correct / self.total

    @property
    def standard_error(self) -> float:
        """Binomial standard error ``sqrt(p (1 - p) / total)`` of the value p."""
        return math.sqrt(self.value * (1 - self.value) / self.total)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval.

        References:
            E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), doi:10.1080/01621459.1927.10502953.
        """
        from scipy.stats import binomtest

        test = binomtest(self.correct, self.total)
        found = test.proportion_ci(confidence_level=LEVEL, method="wilson")
        return float(found.low), float(found.high)

    def minus(self, other: Accuracy) -> Difference:
        """The difference to another network's accuracy.

        With b questions that only this network answers and c that only the other does, of n in
        all: ``(b - c) / n`` and its standard error ``sqrt(b + c - (b - c)^2 / n) / n``. Without
        single answers the two count as independent samples, which overstates the error.
        """
        value = self.value - other.value
        if not self.answers or self.total != other.total or not other.answers:
            return Difference(value, math.hypot(self.standard_error, other.standard_error))
        unlike = (int(self.answers, 16) ^ int(other.answers, 16)).bit_count()
        variance = max(unlike - self.total * value**2, 0.0)
        return Difference(value, math.sqrt(variance) / self.total)

    def __str__(self) -> str:
        return f"{100 * self.value:.2f} %"
