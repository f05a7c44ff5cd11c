"""What a measured search found, as it is kept in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MeasuredCandidate:
    """A plan with its measured damage.

    Args:
        name: where it comes from, e.g. ``fisher``.
        damage: mean over the samples it was measured on.
        error: its standard error.
        behind: mean paired difference to the recommended plan on the same samples.
        samples: how many; fewer where they made it clearly worse.
    """

    name: str
    damage: float
    error: float
    behind: float
    samples: int


@dataclass(frozen=True)
class MeasuredPlan:
    """The recommended plan of one budget.

    Args:
        plan: layer -> label.
        origin: name of the candidate that won the race.
        exchanges: improvements that were measured and confirmed.
        damage: mean over all calibration samples, repaired.
        error: its standard error.
        candidates: all that raced, the best first.
        evaluations: networks that were run on half of the samples.
    """

    plan: Mapping[str, str]
    origin: str
    exchanges: int
    damage: float
    error: float
    candidates: tuple[MeasuredCandidate, ...]
    evaluations: int

    @property
    def source(self) -> str:
        """Where the plan comes from: the candidate, and the exchanges that improved it."""
        if not self.exchanges:
            return self.origin
        return f"{self.origin}, {self.exchanges} exchange{'s' if self.exchanges > 1 else ''}"
