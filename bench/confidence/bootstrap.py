"""Omega on resampled calibration data, and exact solves under many costs.

Omega is a mean over calibration samples, so another sample gives another Omega, and may
give another plan. The stored per-sample terms tell how much: a resample draws N of the N samples
with replacement, which is one row of multinomial counts c, and its Omega is c' terms / N.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bitknap.problems import DataError, FloatArray, InfeasibleError, Instance, IntArray, merge_ties
from bitknap.sensitivity import SensitivityTable
from bitknap.solvers import Limits, Status, default_solver, load_solver, solve
from bitknap.solvers.base import NEVER, Deadline

_BLOCK = 1 << 22
"""Counts drawn at once (32 MB), so that memory does not grow with the resamples."""

_PRODUCTS = 1 << 29
"""Products of counts and terms at once: a second or less between two looks at the deadline."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Omega of a metric on resampled calibration data.

    Args:
        resamples: number R of resamples, >= 1.
        seed: of the resamples.
        deadline: of everything that is done with the resamples; then it raises `TimeUp`.

    Raises:
        DataError: the metric is unknown or keeps no per-sample scores, or N < 2.

    References:
        B. Efron, Bootstrap methods: another look at the jackknife, Ann. Stat. 7 (1979) 1-26,
        doi:10.1214/aos/1176344552.
    """

    table: SensitivityTable
    metric: str
    resamples: int = 1000
    seed: int = 0
    deadline: Deadline = NEVER

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise DataError(f"the number of resamples must be at least 1, got {self.resamples}")
        if self.samples < 2:
            raise DataError(
                f"metric {self.metric!r} was computed from {self.samples} sample; "
                "its spread needs at least 2"
            )

    @cached_property
    def terms(self) -> FloatArray:
        """(N, n) per-sample terms whose mean is Omega, its sign apart."""
        return self.table.terms(self.metric)

    @property
    def samples(self) -> int:
        """Number N of calibration samples."""
        return len(self.terms)

    def folded(self, mean: FloatArray) -> FloatArray:
        """Omega for means of the terms: their absolute value where the statistic says so."""
        if self.table.statistics[self.metric] == "absolute_mean":
            return np.asarray(np.abs(mean))
        return mean

    @cached_property
    def omega(self) -> FloatArray:
        """(R, n) Omega of every item in every resample."""
        generator = np.random.default_rng(self.seed)
        even = np.full(self.samples, 1 / self.samples)
        step = max(1, min(_BLOCK, _PRODUCTS // self.terms.shape[1]) // self.samples)
        parts = []
        for start in range(0, self.resamples, step):
            self.deadline.check()
            rows = min(step, self.resamples - start)
            counts = generator.multinomial(self.samples, even, size=rows)
            parts.append(counts.astype(np.float64) @ self.terms / self.samples)
        return self.folded(np.concatenate(parts))

    def losses(self, positions: IntArray) -> FloatArray:
        """(R,) predicted loss of a plan in every resample; positions as in `Instance.positions`."""
        total: FloatArray = self.omega[:, positions].sum(axis=1)
        return total

    def interval(self, positions: IntArray, level: float) -> tuple[float, float]:
        """Percentile interval of a plan's predicted loss."""
        return percentiles(self.losses(positions), level)

    def standard_error(self, positions: IntArray) -> float:
        """Standard error of a plan's predicted loss, what its layers have in common included.

        std_n(sum_l term_{n,l}) / sqrt(N), with the sign of each mean where Omega is its absolute
        value.
        """
        terms = self.terms[:, positions]
        if self.table.statistics[self.metric] == "absolute_mean":
            terms = terms * np.sign(terms.mean(axis=0))
        return float(terms.sum(axis=1).std(ddof=1) / np.sqrt(self.samples))


def percentiles(values: FloatArray, level: float) -> tuple[float, float]:
    """The ends of the middle share of some values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def optimum(instance: Instance, deadline: Deadline = NEVER) -> tuple[IntArray, float]:
    """The proven optimal choice and its objective.

    Raises:
        InfeasibleError: there is none.
        TimeUp: the deadline is met.
    """
    deadline.check()
    solution = solve(instance, time_limit=deadline.limit)
    if solution.status is not Status.OPTIMAL:
        deadline.check()
        raise InfeasibleError(solution.message or solution.status.sentence)
    assert solution.choice is not None
    assert solution.objective is not None
    return solution.choice, solution.objective


class Resolver:
    """Solves one feasible instance repeatedly, under different costs, until a deadline."""

    def __init__(self, instance: Instance, deadline: Deadline = NEVER) -> None:
        self.instance, self.deadline = instance, deadline
        self._merged = merge_ties(instance)
        small = self._merged.instance
        parts = self._merged.item_index or tuple(np.arange(size) for size in instance.sizes)
        self._source = np.concatenate(
            [start + part for start, part in zip(instance.offsets[:-1], parts, strict=True)]
        )
        self._target = np.concatenate(
            [
                small.offsets[c] + np.arange(len(part))
                for c, part in zip(self._merged.class_index, parts, strict=True)
            ]
        )

    def __call__(self, cost: FloatArray) -> IntArray:
        """(L,) the exact optimum when the items cost ``cost`` (n,).

        Raises:
            TimeUp: the deadline is met.
        """
        self.deadline.check()
        small = self._merged.instance
        summed = np.zeros(small.n_items)
        np.add.at(summed, self._target, cost[self._source])
        method = load_solver(default_solver(small))
        limits = Limits(time=self.deadline.limit)
        found = method.solve(replace(small, cost=summed, optimum=None), limits)
        if found.status is not Status.OPTIMAL:
            self.deadline.check()
        assert found.choice is not None
        return self._merged.expand(found.choice)
