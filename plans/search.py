"""Measured plans: candidates race on calibration data, and exchanges improve the winner."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bitknap.problems import Instance, IntArray, QuadraticInstance
from bitknap.problems.errors import DataError
from bitknap.sensitivity import SensitivityTable
from bitknap.solvers.quadratic.exchange import ranked

from .candidates import has_pairs
from .measure import Damages, Measurer, Plan, error_of, is_worse
from .measured import MeasuredCandidate, MeasuredPlan

EVALUATIONS = 100
"""Networks that the search for a plan runs by default."""

CLEARLY = 2.0
"""Standard errors of the paired difference by which a candidate is clearly worse."""

UNLIKELY = 0.5
"""Standard errors by which an exchange is worse when it is given up early."""

BETTER = 1.0
"""Standard errors by which an exchange must be better on the first half."""


def measured_plan(
    instance: Instance,
    table: SensitivityTable,
    candidates: Mapping[str, Plan],
    measure: Measurer,
    evaluations: int,
) -> MeasuredPlan:
    """The plan of least measured damage among candidates and their exchanges.

    Candidates are measured on the first half of the data; one that is clearly worse than the best
    so far, by the paired difference after any batch, is out. Of the others the one of least damage
    on both halves wins. Then exchanges of one or two layers, in the order of the predicted change,
    are measured on the first half; one that is better there must be better on the second half
    too. So the plan is never worse than any candidate on the samples that both were measured on.

    Args:
        instance: the budget; its costs do not matter.
        table: ranks the exchanges, by its first metric with terms between layers, else its first.
        candidates: plans within the budget, by name.
        measure: measures damages.
        evaluations: networks that may be run on half of the data; the race takes what it needs.

    Raises:
        DataError: there are no candidates.
    """
    if not candidates:
        raise DataError("there is no candidate plan to measure; give a metric or a plan")
    measure.forget_asked()
    raced = _raced(candidates, measure)
    most = max(map(len, raced.values()))
    whole = [name for name, values in raced.items() if len(values) == most]
    origin = min(whole, key=lambda name: float(raced[name].mean()))
    plan, accepted = _improved(instance, table, dict(candidates[origin]), measure, evaluations)
    damages = measure.both(plan)
    rows = [candidate(name, values, damages) for name, values in raced.items()]
    rows.sort(key=lambda row: (-row.samples, row.behind))
    return MeasuredPlan(
        plan,
        origin,
        accepted,
        float(damages.mean()),
        error_of(damages),
        tuple(rows),
        measure.evaluations,
    )


def _raced(candidates: Mapping[str, Plan], measure: Measurer) -> dict[str, Damages]:
    """Damages on both halves; on fewer samples where these made a candidate clearly worse."""
    best, first = None, {}
    for name, plan in candidates.items():
        first[name] = measure(plan, 0, best, CLEARLY)
        if best is None or (len(first[name]) == len(best) and first[name].mean() < best.mean()):
            best = first[name]
    assert best is not None
    return {
        name: values
        if len(values) < len(best) or is_worse(values, best, CLEARLY)
        else measure.both(candidates[name])
        for name, values in first.items()
    }


def _improved(
    instance: Instance, table: SensitivityTable, plan: Plan, measure: Measurer, most: int
) -> tuple[Plan, int]:
    """The plan after confirmed exchanges, and their number."""
    if instance.ties:
        return plan, 0
    problem = _ranking(instance, table)
    choice, accepted = instance.from_labels(dict(plan)), 0
    tried: set[bytes] = set()
    while True:
        better = _next(problem, choice, measure, tried, most)
        if better is None:
            return instance.by_label(choice), accepted
        choice, accepted = better, accepted + 1


def _ranking(instance: Instance, table: SensitivityTable) -> QuadraticInstance:
    """What exchanges are ranked by: all terms between layers where a metric has them."""
    limits = dict(zip(instance.resources, instance.capacity.tolist(), strict=True))
    for metric in table.metrics:
        if has_pairs(table, metric):
            return table.to_quadratic(metric, limits)
    plain = table.to_instance(table.metrics[0], limits)
    return QuadraticInstance(plain, np.zeros((plain.n_items, plain.n_items)))


def _next(
    problem: QuadraticInstance,
    choice: IntArray,
    measure: Measurer,
    tried: set[bytes],
    most: int,
) -> IntArray | None:
    """The first exchange that is better on both halves; None when none is, or time is up."""
    plan = problem.knapsack.by_label(choice)
    now = measure(plan, 0)
    for changed in ranked(problem, choice, most):
        if measure.evaluations >= most:
            return None
        if changed.tobytes() in tried:
            continue
        tried.add(changed.tobytes())
        other = problem.knapsack.by_label(changed)
        found = measure(other, 0, now, UNLIKELY)
        gain = found - now[: len(found)]
        if len(found) == len(now) and float(gain.mean()) < -BETTER * error_of(gain):
            confirmed = measure(other, 1) - measure(plan, 1)
            if float(confirmed.mean()) < 0:
                return changed
    return None


def candidate(name: str, own: Damages, best: Damages) -> MeasuredCandidate:
    """A row of the race, from damages of the same samples as the first of the best plan's."""
    behind = float((own - best[: len(own)]).mean())
    return MeasuredCandidate(name, float(own.mean()), error_of(own), behind, len(own))
