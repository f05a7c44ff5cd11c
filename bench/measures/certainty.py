"""Cost of certainty: what a proof costs compared with a heuristic, and what it gains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .answers import SolverRuns, key_of
from .gap import gap


@dataclass(frozen=True)
class Certainty:
    """An exact method against a heuristic on the instances that the former proved.

    Args:
        factor: geometric mean of t_exact / t_heuristic, median times.
        proof_only: share of instances where the heuristic had the optimum, so that the time
            beyond its own was spent on the proof alone.
    """

    instances: int
    factor: float
    proof_only: float
    mean_gap: float
    worst_gap: float


def cost_of_certainty(
    answers: Sequence[SolverRuns], exact: str, heuristic: str
) -> Certainty | None:
    """Time of an exact method over a heuristic's, beside the gap that the proof closes.

    Taken over the instances that ``exact`` proved and ``heuristic`` answered; None when there is
    none.
    """
    proofs = {
        key_of(answer.first): answer
        for answer in answers
        if answer.first.solver == exact and answer.supported and answer.proven
    }
    pairs = []
    for answer in answers:
        proof = proofs.get(key_of(answer.first))
        distance = gap(answer)
        if answer.first.solver == heuristic and proof is not None and distance is not None:
            pairs.append((proof.seconds, answer.seconds, distance))
    if not pairs:
        return None
    return Certainty(
        instances=len(pairs),
        factor=math.exp(statistics.fmean(math.log(a / b) for a, b, _ in pairs)),
        proof_only=statistics.fmean(distance == 0.0 for *_, distance in pairs),
        mean_gap=statistics.fmean(distance for *_, distance in pairs),
        worst_gap=max(distance for *_, distance in pairs),
    )
