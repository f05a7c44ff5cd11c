"""Depth-first search in batches: the best choice below a threshold, or proof of none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from .bounds import build_bundle
from .dual import Dual
from .fixed_point import Exact, Unit, as_int, ascending, plus, take, to_real
from .model import Floats, Ints, Model
from .states import Batch, undominated_states

_NARROW, _WIDE = 128, 4096
_PATIENCE = 8
_GAIN = 0.05
_PRICES = 40
_ITERATIONS = 40


@dataclass
class SearchBudget:
    """Limits and counts that all searches of one solve share."""

    deadline: float
    states: float
    counts: dict[str, int] = field(
        default_factory=lambda: {"states": 0, "batches": 0, "prices": 0, "iterations": 0}
    )

    @property
    def spent(self) -> bool:
        """Whether a limit is met."""
        return self.counts["states"] >= self.states or time.perf_counter() >= self.deadline


@dataclass
class Incumbent:
    """A choice by its exact cost and its items (positions in the instance) of the open classes."""

    value: int
    items: list[int]


class BatchSearch:
    """The choices of an ordered model that cost at most a threshold.

    States are expanded class by class. Successors are dropped that exceed the residual capacity
    even with the lightest items to come, whose bound is above the threshold, or that are
    dominated. When more than ``width`` stay, those of least bound are expanded; the others wait on
    a stack. A batch that comes off the stack, or overflows, first asks for the best prices at its
    state of least bound, which then bound all its descendants too.

    Args:
        prices: (M, K) prices per share to begin with, the best first.
        threshold: cost above which a choice is of no interest.
        best: cost of the best choice known, exclusive; found ones must be below it.
    """

    def __init__(
        self,
        model: Model,
        fixed: Exact,
        used: Ints,
        prices: Floats,
        threshold: float,
        best: int,
        budget: SearchBudget,
    ) -> None:
        self.model, self.threshold, self.best, self.budget = model, threshold, best, budget
        self.unit = Unit(model.exponent, model.unit.limbs)
        self.found: Incumbent | None = None
        self.stages = model.sizes.size
        self.spent = float(to_real(fixed, self.unit)[0])
        bundle = build_bundle(model, prices, self.spent)
        self.limit = self._limits()
        self.dual = Dual(model, 1.001 * _largest_cost(model) + 1e-300)
        none = np.zeros(1, dtype=np.int64)
        low = bundle.bound(0, to_real(fixed, self.unit), used[:, None])
        self.stack = [Batch(0, fixed, used[:, None], low, none, none, None, prices[0], bundle)]
        self.batches = self.idle = self.pause = 0

    def _limits(self) -> Ints:
        """(T + 1, K) the most a state may have used, whatever it chooses later."""
        limit = np.tile(self.model.residual, (self.stages + 1, 1))
        if self.stages:
            least = np.minimum.reduceat(self.model.weight, self.model.first, axis=1)
            limit[:-1] -= np.cumsum(least.T[::-1], axis=0)[::-1]
        return limit

    @property
    def open_bound(self) -> float:
        """A true lower bound of the choices not yet looked at."""
        return min((float(batch.low.min()) for batch in self.stack if batch.count), default=np.inf)

    @property
    def width(self) -> int:
        """States that go on together: more when the search turns out to be long."""
        return min(_WIDE, _NARROW << (self.batches // 16))

    def run(self) -> bool:
        """Search until nothing is left, or a limit is met: whether it was completed."""
        while self.stack:
            batch = self.stack.pop().below(self.threshold)
            self.batches += 1
            self.budget.counts["batches"] += 1
            fresh = True
            while batch.count:
                if self.budget.spent:
                    self.stack.append(batch)
                    return False
                if batch.stage == self.stages:
                    self._finish(batch)
                    break
                if fresh or batch.count > self.width:
                    batch, fresh = self._sharpened(batch), False
                if batch.count > self.width:
                    batch, rest = batch.split(self.width)
                    self.stack.append(rest)
                if batch.count:
                    batch = self._expand(batch)
        return True

    def _expand(self, batch: Batch) -> Batch:
        """All successors of a batch that may matter."""
        a, b = int(self.model.ptr[batch.stage]), int(self.model.ptr[batch.stage + 1])
        stage, count = batch.stage + 1, batch.count
        usage = (batch.usage[:, None, :] + self.model.weight[:, a:b, None]).reshape(
            len(batch.usage), -1
        )
        self.budget.counts["states"] += usage.shape[1]
        fits = usage[0] <= self.limit[stage, 0]
        for row, most in zip(usage[1:], self.limit[stage, 1:], strict=True):
            fits &= row <= most
        index = np.flatnonzero(fits)
        usage = usage[:, index]
        which, source = np.divmod(index, count)
        value = plus(take(self.model.value, a + which), take(batch.value, source))
        low = batch.bundle.bound(stage, to_real(value, self.unit), usage)
        near = np.flatnonzero(low <= self.threshold)
        if near.size > 1 and stage < self.stages:
            near = near[undominated_states(take(value, near), usage[:, near])]
        return replace(
            batch,
            stage=stage,
            value=take(value, near),
            usage=usage[:, near],
            low=low[near],
            source=source[near],
            item=a + which[near],
            before=batch.trail,
        )

    def _sharpened(self, batch: Batch) -> Batch:
        """The batch with better prices, where they are due; less often when they do not help."""
        self.idle += 1
        if self.idle <= self.pause or batch.stage > self.stages - 2:
            return batch
        sharper = self._sharpen(batch)
        self.idle, self.pause = 0, 0 if sharper is not batch else min(self.pause + 1, _PATIENCE)
        return sharper

    def _sharpen(self, batch: Batch) -> Batch:
        """Add the best prices at the state of least bound if they raise it well."""
        self.dual.start_at(batch.stage)
        lowest = int(np.argmin(batch.low))
        low, cost = float(batch.low[lowest]), self._cost(batch, lowest)
        residual = (self.model.residual - batch.usage[:, lowest]) / np.maximum(
            self.model.residual, 1
        )
        price, steps = self.dual.maximise(
            residual, batch.price, self.threshold - cost, 1e-3, _ITERATIONS
        )
        self.budget.counts["prices"] += 1
        self.budget.counts["iterations"] += steps
        if not np.isfinite(price).all():
            return batch
        extra = build_bundle(self.model, price[None], self.spent)
        real = to_real(batch.value, self.unit)
        lows = np.maximum(batch.low, extra.bound(batch.stage, real, batch.usage))
        if lows[lowest] < low + _GAIN * (self.threshold - low):
            return batch
        return replace(
            batch, low=lows, price=price, bundle=batch.bundle.joined(extra, _PRICES)
        ).below(self.threshold)

    def _cost(self, batch: Batch, index: int) -> float:
        return float(to_real(take(batch.value, np.array([index])), self.unit)[0])

    def _finish(self, batch: Batch) -> None:
        """Complete states: the cheapest becomes the best when it is cheaper, exactly."""
        cheapest = int(ascending(batch.value)[0])
        value = as_int(batch.value, cheapest)
        if value >= self.best:
            return
        trail = batch.trail
        chosen = [] if trail is None else trail.path(cheapest)
        self.best = value
        self.found = Incumbent(value, self.model.item[np.array(chosen, dtype=np.int64)].tolist())
        self.threshold = min(self.threshold, below(self.model, value))


def below(model: Model, value: int) -> float:
    """The most a choice cheaper than an exact cost may cost, rounded up."""
    most = model.real(value - model.step)
    return most + 2.0**-50 * abs(most)


def _largest_cost(model: Model) -> float:
    return float(np.maximum.reduceat(model.cost, model.first).sum()) if model.sizes.size else 0.0
