"""Plans against each other on the same resamples: who wins, and what certainty costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems import DataError, FloatArray, IntArray

from .bootstrap import Bootstrap, Resolver, percentiles
from .resampled_plans import Confidence


@dataclass(frozen=True)
class PlanComparison:
    """Two plans on the same resamples.

    Args:
        better, equal: share of the resamples in which A's predicted loss is below B's, or equal.
        interval: percentile interval of A's predicted loss minus B's.
    """

    loss_a: float
    loss_b: float
    better: float
    equal: float
    interval: tuple[float, float]


def compare(resampled: Bootstrap, a: IntArray, b: IntArray, level: float = 0.95) -> PlanComparison:
    """The probability that plan A's predicted loss is below plan B's.

    Both are evaluated on the same resamples, so that their common variation cancels.
    """
    # Layers with the same item in both plans cancel exactly, whatever the order of summation.
    differ = a != b
    gap = resampled.losses(a[differ]) - resampled.losses(b[differ])
    omega = resampled.table.omega[resampled.metric]
    return PlanComparison(
        loss_a=float(omega[a].sum()),
        loss_b=float(omega[b].sum()),
        better=float((gap < 0).mean()),
        equal=float((gap == 0).mean()),
        interval=percentiles(gap, level),
    )


@dataclass(frozen=True, eq=False)
class RobustPlan:
    """A plan that trades predicted loss for certainty, and what it costs.

    Args:
        price: what this is above the optimum's.
        interval: percentile interval of its predicted loss over the resamples.
    """

    choice: IntArray
    objective: float
    price: float
    standard_error: float
    interval: tuple[float, float]


def robust_plan(
    resampled: Bootstrap,
    plan: Confidence,
    *,
    errors: float | None = None,
    quantile: float | None = None,
    level: float = 0.95,
) -> RobustPlan:
    """The exact optimum of pessimistic costs, priced against the plan.

    The cost of an item is Omega + k standard errors, or the quantile of its Omega over the
    resamples. Layers are charged as if they were wrong together: the sum of standard errors is at
    least the standard error of the sum. The latter is what is reported.

    Args:
        errors: k >= 0.
        quantile: between 0 and 1; exactly one of the two is given.
    """
    choice = Resolver(plan.instance, resampled.deadline)(_pessimistic(resampled, errors, quantile))
    at = plan.instance.positions(choice)
    objective = plan.instance.objective(choice)
    return RobustPlan(
        choice=choice,
        objective=objective,
        price=max(objective - plan.objective, 0.0),
        standard_error=resampled.standard_error(at),
        interval=resampled.interval(at, level),
    )


def _pessimistic(resampled: Bootstrap, errors: float | None, quantile: float | None) -> FloatArray:
    """(n,) costs that a robust plan minimises."""
    if errors is not None and quantile is None:
        if not 0 <= errors < np.inf:
            raise DataError(f"the number of standard errors must not be negative, got {errors!r}")
        table, metric = resampled.table, resampled.metric
        return table.omega[metric] + errors * table.standard_error(metric)
    if quantile is not None and errors is None:
        if not 0 < quantile < 1:
            raise DataError(f"the quantile must be between 0 and 1, got {quantile!r}")
        return np.asarray(np.quantile(resampled.omega, quantile, axis=0))
    raise DataError("a robust plan needs either a number of standard errors or a quantile")
