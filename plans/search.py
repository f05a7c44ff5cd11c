"""Measured plans: candidates race on calibration data, and exchanges improve the winner."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bitknap.problems import Instance, IntArray
from bitknap.problems.errors import DataError
from bitknap.sensitivity import SensitivityTable

from .exchanges import ranked_exchanges
from .measure import Damages, Measurer, Plan
from .measured import MeasuredCandidate, MeasuredPlan

EVALUATIONS = 100
"""Networks that the search for a plan runs by default."""

CLEARLY = 2.0
"""Standard errors of the paired difference by which a candidate is clearly worse."""

BETTER = 1.0
"""Standard errors by which an exchange must be better on the first half."""

TRIED = 200
"""Exchanges that are ranked at a time."""


def measured_plan(
    instance: Instance,
    table: SensitivityTable,
    candidates: Mapping[str, Plan],
    measure: Measurer,
    evaluations: int,
) -> MeasuredPlan:
    """The plan of least measured damage among candidates and their exchanges.

    Candidates are measured on the first half of the data; those clearly worse, by the paired
    difference, are out. Of the others the one of least damage on both halves wins. Then exchanges
    of one or two layers, in the order of the predicted change, are measured on the first half;
    one that is better there must be better on the second half too. So the plan is never worse on
    the calibration data than any candidate.

    Args:
        instance: the budget; its costs do not matter.
        table: ranks the exchanges, by its first metric that has scores.
        candidates: plans within the budget, by name.
        measure: measures damages.
        evaluations: networks that may be run on half of the data; the race takes what it needs.

    Raises:
        DataError: there are no candidates.
    """
    if not candidates:
        raise DataError("there is no candidate plan to measure; give a metric or a plan")
    start = measure.evaluations
    survivors = _survivors(candidates, measure)
    origin = min(survivors, key=lambda name: float(measure.both(candidates[name]).mean()))
    plan, accepted = _improved(
        instance, table, dict(candidates[origin]), measure, start + evaluations
    )
    damages = measure.both(plan)
    rows = [_row(n, p, plan, measure, n in survivors) for n, p in candidates.items()]
    rows.sort(key=lambda row: (-row.samples, row.behind))
    return MeasuredPlan(
        plan,
        origin,
        accepted,
        float(damages.mean()),
        _error(damages),
        tuple(rows),
        measure.evaluations - start,
    )


def _survivors(candidates: Mapping[str, Plan], measure: Measurer) -> list[str]:
    """Candidates that are not clearly worse than the best one of the first half."""
    first = {name: measure(plan, 0) for name, plan in candidates.items()}
    best = min(first.values(), key=lambda damages: float(damages.mean()))
    return [
        name
        for name, damages in first.items()
        if float((damages - best).mean()) <= CLEARLY * _error(damages - best)
    ]


def _improved(
    instance: Instance, table: SensitivityTable, plan: Plan, measure: Measurer, most: int
) -> tuple[Plan, int]:
    """The plan after confirmed exchanges, and their number."""
    if instance.ties:
        return plan, 0
    metric = next((m for m in table.metrics if m in table.scores), table.metrics[0])
    choice, accepted = instance.from_labels(dict(plan)), 0
    tried: set[bytes] = set()
    while True:
        better = _next(instance, table, metric, choice, measure, tried, most)
        if better is None:
            return instance.by_label(choice), accepted
        choice, accepted = better, accepted + 1


def _next(
    instance: Instance,
    table: SensitivityTable,
    metric: str,
    choice: IntArray,
    measure: Measurer,
    tried: set[bytes],
    most: int,
) -> IntArray | None:
    """The first exchange that is better on both halves; None when none is, or time is up."""
    plan = instance.by_label(choice)
    now = measure(plan, 0)
    for changed in ranked_exchanges(instance, table, metric, choice, TRIED):
        if measure.evaluations >= most:
            return None
        if changed.tobytes() in tried:
            continue
        tried.add(changed.tobytes())
        other = instance.by_label(changed)
        gain = measure(other, 0) - now
        if float(gain.mean()) < -BETTER * _error(gain):
            confirmed = measure(other, 1) - measure(plan, 1)
            if float(confirmed.mean()) < 0:
                return changed
    return None


def _row(name: str, plan: Plan, best: Plan, measure: Measurer, whole: bool) -> MeasuredCandidate:
    own, reference = (measure.both(p) if whole else measure(p, 0) for p in (plan, best))
    return MeasuredCandidate(
        name, float(own.mean()), _error(own), float((own - reference).mean()), len(own)
    )


def _error(values: Damages) -> float:
    """Standard error of the mean."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
