"""What the verifier found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """How a verification ended."""

    PROVED = "proved"
    UNPROVED = "unproved"
    WRONG = "wrong"


@dataclass(frozen=True)
class Verdict:
    """The findings of ``verify``.

    Args:
        finding: PROVED when every claim of the document is proven, WRONG when one is refuted,
            else UNPROVED.
        reasons: sentences that say what was proven, or what is wrong.
        objective: correctly rounded exact cost of the choice, or None.
        bound: a proven lower bound of the optimum, rounded down, or None.
        dual_bound: the exact L(lambda), rounded down, or None.
        multiplier: (K,) the lambda of ``dual_bound``, rounded, or empty.
        exact: whether the proof needed no rounding allowance.
        states: partial choices the proof kept.
        better: class name -> label of a better choice that refutes the claim, or None.
    """

    finding: Finding
    claim: str
    reasons: tuple[str, ...]
    objective: float | None = None
    bound: float | None = None
    dual_bound: float | None = None
    multiplier: tuple[float, ...] = ()
    exact: bool = False
    states: int = 0
    better: dict[str, str] | None = None

    @property
    def proved(self) -> bool:
        """Whether every claim of the document is proven."""
        return self.finding is Finding.PROVED

    def to_dict(self) -> dict[str, Any]:
        """The verdict as the JSON object ``bitknap.verdict/1``."""
        return {
            "format": "bitknap.verdict/1",
            "finding": self.finding.value,
            "proved": self.proved,
            "claim": self.claim,
            "reasons": list(self.reasons),
            "objective": self.objective,
            "bound": self.bound,
            "dual_bound": self.dual_bound,
            "multiplier": list(self.multiplier),
            "exact": self.exact,
            "states": self.states,
            "better": self.better,
        }
