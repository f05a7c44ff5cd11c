"""``solve_multi``: thresholds above the dual bound, raised until a choice is below."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np

from bitknap.problems import Instance, IntArray

from ..base import Deadline, Outcome, Status
from ..exact import float_below
from ..local import improve, lightest, repair
from .bounds import prices_around, useful_items
from .dual import Dual
from .fixed_point import Exact, fixed, take
from .model import Floats, Ints, Model, build_model
from .search import BatchSearch, SearchBudget, below

_FIRST_ITEMS = 30
_GROWTH = 3.0


def solve_multi(
    instance: Instance, time_limit: float | None = None, state_limit: int | None = None
) -> Outcome:
    """Solve an instance with any number of capacities exactly.

    1. Prices u of the capacities maximise the Lagrangian dual D(u), the linear relaxation.
    2. A threshold is set a little above D(u). Items whose reduced cost exceeds the difference
       are in no choice below it. A search over what is left finds the best such choice, which
       then is optimal, or proves that there is none.
    3. In the latter case the threshold rises threefold above D(u).

    Classes are searched by falling priced weight of their largest change: the small
    ones can only fill the capacity that the large ones leave, which the bound shows early.

    Complexity: exponential in the worst case.

    References:
        H. Kellerer, U. Pferschy, D. Pisinger, Knapsack Problems, Springer 2004, chapters 9, 11.
        R. Korf, Artificial Intelligence 27 (1985), 97-109, for the rising threshold.
    """
    began = time.perf_counter()
    deadline = math.inf if time_limit is None else began + time_limit
    budget = SearchBudget(deadline, math.inf if state_limit is None else state_limit)
    model = build_model(instance)
    if model is None:
        return Outcome(Status.INFEASIBLE, multiplier=np.zeros(instance.n_resources))
    return _Rounds(instance, model, budget).run()


class _Rounds:
    """The rising thresholds."""

    def __init__(self, instance: Instance, model: Model, budget: SearchBudget) -> None:
        self.instance, self.model, self.budget = instance, model, budget
        self.best = model.most + model.step
        self.choice: IntArray | None = None
        self.rounds = self.items_left = self.classes_left = 0
        self.prices = self._dual()
        self.bound = useful_items(model, self.prices, math.inf)[1]

    def _dual(self) -> Floats:
        """Prices around the dual optimum, and a first choice rounded from its cheapest items."""
        model = self.model
        start = np.zeros(len(model.residual))
        dual = Dual(model, 2.0 * model.real(model.most) + 1.0)
        residual = model.residual / np.maximum(model.residual, 1)
        price, steps = dual.maximise(residual, start, math.inf, 1e-12, 60 + 40 * len(residual))
        self.budget.counts["iterations"] += steps
        price = price if np.isfinite(price).all() else start
        cheapest = model.item[dual.cheapest(price)] - self.instance.offsets[:-1]
        deadline = Deadline(self.budget.deadline)
        repaired = repair(self.instance, cheapest, deadline)
        if repaired is None:
            repaired = repair(self.instance, lightest(self.instance), deadline)
        if repaired is not None:
            self.choice = improve(self.instance, repaired, deadline)
            self.best = self._value(self.choice)
        return prices_around(price)

    def _value(self, choice: IntArray) -> int:
        """Exact cost of a choice above the class minima, in units."""
        least = np.minimum.reduceat(self.instance.cost, self.instance.offsets[:-1])
        unit = self.model.unit
        taken = _total(fixed(self.instance.cost[self.instance.positions(choice)], unit))
        return taken - _total(fixed(least, unit))

    def run(self) -> Outcome:
        """Raise the threshold until it passes the best choice."""
        delta = self._first_step()
        root = self.bound
        while True:
            top = below(self.model, self.best)
            threshold = min(top, root + delta)
            self.rounds += 1
            search = self._search(threshold)
            if search is not None:
                completed = search.run()
                if search.found is not None:
                    self._take(search)
                if not completed:
                    return self._stopped(min(search.threshold, search.open_bound))
                # One that costs the threshold but for rounding may not be the only such.
                if search.found is not None and search.threshold < threshold * (1.0 - 2.0**-40):
                    return self._proven()
            self.bound = max(self.bound, threshold * (1.0 - 2.0**-48))
            if threshold >= top:
                return self._proven()
            delta *= _GROWTH

    def _first_step(self) -> float:
        """The reduced cost that about thirty items stay below."""
        priced = self.model.cost + self.prices[0] @ self.model.share
        least = np.minimum.reduceat(priced, self.model.first)
        reduced = np.sort(priced - np.repeat(least, self.model.sizes))
        positive = reduced[reduced > 0.0]
        return float(positive[min(_FIRST_ITEMS, positive.size - 1)]) if positive.size else 1.0

    def _search(self, threshold: float) -> BatchSearch | None:
        """A search of what a choice up to a threshold may use; None when there is none."""
        mask, _ = useful_items(self.model, self.prices, threshold)
        part = self.model.keep(mask)
        part = None if part is None else part.fitting()
        if part is None:
            return None
        prices = self.prices * (part.residual / np.maximum(self.model.residual, 1))
        open_classes = part.sizes > 1
        alone = part.first[~open_classes]
        order = _order(part, prices[0])
        order = order[open_classes[order]]
        self.forced = part.item[alone].tolist()
        self.classes_left, self.items_left = len(order), int(part.sizes[order].sum())
        used = np.zeros(len(part.residual), dtype=np.int64)
        paid = self._single(_total(take(part.value, alone)))
        return BatchSearch(
            part.ordered(order), paid, used, prices, threshold, self.best, self.budget
        )

    def _single(self, value: int) -> Exact:
        """An exact cost as an array of one."""
        limbs = self.model.unit.limbs
        if limbs != 2:
            return np.array([value], dtype=np.int64 if limbs else object), None
        high = (value + (1 << 61)) >> 62
        return np.array([high]), np.array([value - (high << 62)])

    def _take(self, search: BatchSearch) -> None:
        assert search.found is not None
        items = np.sort(np.array(self.forced + search.found.items, dtype=np.int64))
        self.choice, self.best = items - self.instance.offsets[:-1], search.found.value

    def _proven(self) -> Outcome:
        return self._outcome(Status.INFEASIBLE if self.choice is None else Status.OPTIMAL, None)

    def _stopped(self, bound: float) -> Outcome:
        status = Status.NO_SOLUTION if self.choice is None else Status.FEASIBLE
        return self._outcome(status, self._unscaled(max(self.bound, bound)))

    def _unscaled(self, bound: float) -> float:
        """A scaled bound above the minima as one of the instance's costs."""
        least = np.minimum.reduceat(self.instance.cost, self.instance.offsets[:-1]).tolist()
        base = sum(map(Fraction, least), Fraction(0))
        return float_below(base + Fraction(bound) * Fraction(2) ** self._shift)

    @property
    def _shift(self) -> int:
        return self.model.unit.exponent - self.model.exponent

    def _outcome(self, status: Status, bound: float | None) -> Outcome:
        prices: Floats = np.ldexp(self.prices[0] / np.maximum(self.model.residual, 1), self._shift)
        left = {"classes_left": self.classes_left, "items_left": self.items_left}
        stats = {"rounds": self.rounds, **self.budget.counts, **left}
        return Outcome(status, self.choice, bound, multiplier=prices, stats=stats)


def _order(model: Model, price: Floats) -> Ints:
    """Classes by falling priced weight of their largest change from the cheapest item."""
    price = price if price.any() else np.ones_like(price)
    at = Dual(model, 0.0).cheapest(price)
    change = price @ np.abs(model.share - np.repeat(model.share[:, at], model.sizes, axis=1))
    order: Ints = np.argsort(-np.maximum.reduceat(change, model.first), kind="stable")
    return order


def _total(value: Exact) -> int:
    """Exact sum."""
    total: int = sum(value[0].tolist())
    return total if value[1] is None else (total << 62) + sum(value[1].tolist())
