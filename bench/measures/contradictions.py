"""Contradictions: claims of solvers about one instance that cannot all be true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..records.record import Record
from ..records.status import RunStatus
from .answers import TOLERANCE, key_of, same

BOUND_TOLERANCE = 1e-9
"""Relative; the slack that the referee leaves to bounds."""


@dataclass(frozen=True)
class Contradiction:
    """Two claims of which at least one is false.

    Args:
        claimed: the solver whose claim is refuted if the other is right.
        other: the solver that contradicts it.
    """

    instance: str
    claimed: str
    other: str
    sentence: str


def contradictions(records: Sequence[Record]) -> list[Contradiction]:
    """Every refuted claim once, beside the strongest evidence against it.

    A claim of optimality is contradicted by a cheaper feasible choice (1e-12 relative), a bound
    by a choice below it (1e-9 relative), infeasibility by any choice. Choices are what the referee
    recomputed, so it is the claim that is false.
    """
    by_instance: dict[str, list[Record]] = {}
    for record in records:
        by_instance.setdefault(key_of(record), []).append(record)
    found: dict[tuple[str, str, str], Contradiction] = {}
    for rows in by_instance.values():
        answered = [row for row in rows if row.objective is not None]
        if not answered:
            continue
        best = min(answered, key=lambda row: row.objective or 0.0)
        for row in rows:
            claim = _refuted(row, best.objective or 0.0)
            if claim is not None:
                found.setdefault(
                    (key_of(row), row.solver, claim),
                    Contradiction(
                        row.instance,
                        row.solver,
                        best.solver,
                        f"{row.instance}: {row.solver} claims {claim}, but {best.solver} has a "
                        f"feasible choice of cost {best.objective!r}",
                    ),
                )
    return list(found.values())


def clashes(records: Sequence[Record]) -> list[str]:
    """The sentences of all contradictions."""
    return [found.sentence for found in contradictions(records)]


def false_claims(records: Sequence[Record]) -> Counter[str]:
    """Solver -> how many runs the referee refuted, and how many claims other runs contradict."""
    refuted = Counter(record.solver for record in records if record.status == RunStatus.REFUTED)
    return refuted + Counter(found.claimed for found in contradictions(records))


def _refuted(row: Record, best: float) -> str | None:
    """The claim of a row that a feasible choice of cost ``best`` refutes, or None."""
    if row.status == RunStatus.INFEASIBLE:
        return "that no choice fits"
    if row.status == RunStatus.OPTIMAL and not same(row.objective or 0.0, best, TOLERANCE):
        return f"the optimum {row.objective!r}"
    over = row.bound is not None and row.bound > best and row.status != RunStatus.OPTIMAL
    if over and not same(row.bound or 0.0, best, BOUND_TOLERANCE):
        return f"the bound {row.bound!r}"
    return None
