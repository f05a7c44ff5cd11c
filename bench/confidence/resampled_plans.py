"""How certain the plan of a budget is: an exact solve on every resample of the calibration data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bitknap.problems import DataError, FloatArray, Instance, IntArray

from .bootstrap import Bootstrap, Resolver, optimum


@dataclass(frozen=True)
class FirstSamples:
    """The plan from the first samples only.

    Args:
        changed: layers whose choice differs from the plan of all samples.
    """

    samples: int
    changed: int
    excess: float


@dataclass(frozen=True, eq=False)
class Confidence:
    """How certain the optimal plan of one budget is.

    Args:
        choice: (L,) the optimum with Omega of all samples.
        interval: percentile interval of the predicted loss of this plan over the resamples.
        choices: (R, L) the optimum of every resample.
        excess: (R,) what each of these costs above ``objective``, with Omega of all samples.
        prefixes: plans from the first 1, 2, 4, ... samples.
    """

    instance: Instance
    choice: IntArray
    objective: float
    standard_error: float
    interval: tuple[float, float]
    choices: IntArray
    excess: FloatArray
    prefixes: tuple[FirstSamples, ...]
    samples: int

    @property
    def kept(self) -> FloatArray:
        """(L,) share of the resamples in which each layer keeps its choice."""
        share: FloatArray = (self.choices == self.choice).mean(axis=0)
        return share

    @property
    def same(self) -> float:
        """Share of the resamples whose whole plan is the same."""
        return float((self.choices == self.choice).all(axis=1).mean())

    @cached_property
    def frequency(self) -> FloatArray:
        """(n,) share of the resamples that choose each item."""
        at = self.instance.offsets[:-1] + self.choices
        counts = np.bincount(at.ravel(), minlength=self.instance.n_items)
        return counts / len(self.choices)

    @property
    def settled_at(self) -> int | None:
        """Fewest first samples from which on the plan does not change; None when it still does.

        Only numbers of samples that are powers of two are tried. None means that half of the
        samples or more (the largest such number) give another plan than all.
        """
        settled = None
        for prefix in reversed(self.prefixes):
            if prefix.changed:
                break
            settled = prefix.samples
        return settled


def confidence(
    resampled: Bootstrap,
    budget: int | Mapping[str, int],
    *,
    resource: str = "size_bits",
    level: float = 0.95,
    name: str | None = None,
) -> Confidence:
    """Solve the instance of a budget exactly, on all samples and on every resample.

    Args:
        level: of the interval, between 0 and 1.

    Raises:
        InfeasibleError: no plan keeps the budget.
        DataError: the level is not between 0 and 1.
        TimeUp: the deadline of the resamples is met.
    """
    if not 0 < level < 1:
        raise DataError(f"the level of an interval must be between 0 and 1, got {level!r}")
    table, metric = resampled.table, resampled.metric
    instance = table.to_instance(metric, budget, resource, name)
    choice, objective = optimum(instance, resampled.deadline)
    resolve = Resolver(instance, resampled.deadline)
    choices = np.array([resolve(cost) for cost in resampled.omega])
    at = instance.positions(choice)
    excess = instance.cost[instance.offsets[:-1] + choices].sum(axis=1) - objective
    return Confidence(
        instance=instance,
        choice=choice,
        objective=objective,
        standard_error=resampled.standard_error(at),
        interval=resampled.interval(at, level),
        choices=choices,
        excess=np.maximum(excess, 0.0),
        prefixes=_prefixes(resampled, resolve, choice, objective),
        samples=resampled.samples,
    )


def _prefixes(
    resampled: Bootstrap, resolve: Resolver, choice: IntArray, objective: float
) -> tuple[FirstSamples, ...]:
    found = []
    count = 1
    while count < resampled.samples:
        cost = resampled.folded(resampled.terms[:count].mean(axis=0))
        plan = resolve(cost)
        excess = max(resolve.instance.objective(plan) - objective, 0.0)
        found.append(FirstSamples(count, int((plan != choice).sum()), excess))
        count *= 2
    return tuple(found)
