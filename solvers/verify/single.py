"""One resource: the best multiplier from the hull slopes, then a complete search of the slack."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from .clock import ProofDeadline
from .model import ExactItem, ExactModel
from .search import SearchResult, StateLimit, trace_back

_INFINITE = Fraction(1 << 4096)
_NOTHING_OPEN = (Fraction(0), _INFINITE)
_SORT_BITS = 128
# A step is uneven when it is so many times as heavy as the middle one of so many on either side.
_UNEVEN, _NEAR = 8, 48


def search_single(
    model: ExactModel,
    threshold: int,
    max_states: int,
    clock: ProofDeadline,
    multiplier: Fraction,
    bound: Fraction,
) -> SearchResult:
    """Find the least cost below a threshold, or show that there is none.

    With b(i) the item of class i that minimises cost + lambda * weight, every other item j has a
    slope: what a unit of extra weight saves at most (heavier items), or what a unit of weight
    given back costs at least (lighter items). Let alpha be the largest saving and beta the
    smallest charge over a set T of classes still open. A partial choice that leaves d units of
    residual capacity to the base items of T costs, however it is completed, at least:

        its cost + cost of the base items of T - alpha d    if d >= 0
        its cost + cost of the base items of T + beta |d|   if d <  0        (1)

    because alpha <= lambda <= beta. Items, and then partial choices, whose bound (1) is not below
    the threshold are dropped; of the rest, those no lighter and no cheaper than another. Classes
    enter in the order of their slopes' distance from lambda, so that (1) tightens quickly.

    Args:
        multiplier: the lambda of :func:`find_break`.

    References:
        D. Pisinger, EJOR 83 (1995) 394-410, section 4 (the bound).
    """
    stages = []
    for i, items in enumerate(model.classes):
        clock.check()
        stages.append(_BaseStage.around(i, items, multiplier))
    stages.sort(key=lambda stage: stage.distance(multiplier))
    try:
        return _enumerate(model, stages, threshold, max_states, clock, bound, multiplier)
    except StateLimit:
        return SearchResult(None, None, max_states, False, bound, (multiplier,))


def lagrangian(model: ExactModel, multiplier: tuple[Fraction, ...]) -> Fraction:
    """L(lambda) = sum_i min_j (cost + lambda . weight) - lambda . capacity, a lower bound."""
    scale = 1
    for price in multiplier:
        scale = scale * price.denominator
    prices = [int(price * scale) for price in multiplier]
    total = -sum(p * c for p, c in zip(prices, model.capacity, strict=True))
    for items in model.classes:
        total += min(
            scale * item.cost + sum(p * w for p, w in zip(prices, item.weights, strict=True))
            for item in items
        )
    return Fraction(total, scale)


@dataclass(frozen=True)
class Break:
    """Where the capacity runs out along the lower hulls of all classes.

    Args:
        multiplier: the lambda >= 0 that maximises L: the slope of the first step that no longer
            fits, or 0 when all fit.
        index: the class of that step, or None.
        uneven: whether it is far heavier than the steps next to it.
    """

    multiplier: Fraction
    index: int | None
    uneven: bool


def find_break(model: ExactModel, clock: ProofDeadline) -> Break:
    """Take the steps along all hulls from the lightest items on, those that save most first."""
    residual = model.capacity[0]
    steps: list[tuple[int, int, int, int]] = []
    for i, items in enumerate(model.classes):
        clock.check()
        hull = _hull(items)
        residual -= hull[0].weights[0]
        for a, b in pairwise(hull):
            width, saving = b.weights[0] - a.weights[0], a.cost - b.cost
            steps.append(((saving << _SORT_BITS) // width, width, saving, i))
    steps.sort(reverse=True)
    for k, (_, width, saving, i) in enumerate(steps):
        if width > residual:
            near = sorted(step[1] for step in steps[max(0, k - _NEAR) : k + _NEAR])
            return Break(Fraction(saving, width), i, width > _UNEVEN * near[len(near) // 2])
        residual -= width
    return Break(Fraction(0), None, False)


def _hull(items: tuple[ExactItem, ...]) -> list[ExactItem]:
    """Lower convex hull, lightest first, costs falling."""
    hull: list[ExactItem] = []
    for item in sorted(items, key=lambda item: (item.weights[0], item.cost)):
        if hull and item.cost >= hull[-1].cost:
            continue
        while len(hull) > 1 and _above(hull[-2], hull[-1], item):
            hull.pop()
        hull.append(item)
    return hull


def _above(a: ExactItem, b: ExactItem, c: ExactItem) -> bool:
    left = (a.cost - b.cost) * (c.weights[0] - b.weights[0])
    return left <= (b.cost - c.cost) * (b.weights[0] - a.weights[0])


@dataclass(frozen=True)
class _BaseStage:
    """A class with its base item: positions, weights and costs relative to it, and its slopes."""

    index: int
    base: ExactItem
    moves: tuple[tuple[int, int, int], ...]
    saving: Fraction
    charge: Fraction

    @staticmethod
    def around(index: int, items: tuple[ExactItem, ...], price: Fraction) -> _BaseStage:
        p, q = price.numerator, price.denominator
        base = min(items, key=lambda item: (q * item.cost + p * item.weights[0], item.weights[0]))
        moves = tuple(
            (item.weights[0] - base.weights[0], item.cost - base.cost, j)
            for j, item in enumerate(items)
        )
        return _BaseStage.with_slopes(index, base, moves)

    @staticmethod
    def with_slopes(
        index: int, base: ExactItem, moves: tuple[tuple[int, int, int], ...]
    ) -> _BaseStage:
        savings = (Fraction(-cost, width) for width, cost, _ in moves if width > 0)
        charges = (Fraction(cost, -width) for width, cost, _ in moves if width < 0)
        saving = max(max(savings, default=Fraction(0)), Fraction(0))
        return _BaseStage(index, base, moves, saving, min(charges, default=_INFINITE))

    def distance(self, price: Fraction) -> Fraction:
        return min(price - self.saving, self.charge - price)


def _enumerate(
    model: ExactModel,
    stages: list[_BaseStage],
    threshold: int,
    max_states: int,
    clock: ProofDeadline,
    bound: Fraction,
    multiplier: Fraction,
) -> SearchResult:
    residual = model.capacity[0] - sum(stage.base.weights[0] for stage in stages)
    least = sum(stage.base.cost for stage in stages)
    slack = threshold - least
    open_stages = _reduced(stages, residual, slack)
    saving, charge = _suffix_slopes(open_stages)
    states, count = [(0, 0)], 0
    parents: list[tuple[int, array[int], array[int]]] = []
    for t, stage in enumerate(open_stages):
        test = _BoundTest(residual, slack, saving[t + 1], charge[t + 1])
        states, origin, taken = _extend(states, stage.moves, test, max_states, clock)
        parents.append((stage.index, origin, taken))
        count += len(states)
        if count > max_states:
            raise StateLimit
    test = _BoundTest(residual, slack, *_NOTHING_OPEN)
    ends = [s for s, (weight, cost) in enumerate(states) if test.passes(weight, cost)]
    if not ends:
        return SearchResult(None, None, count, True, bound, (multiplier,))
    last = min(ends, key=lambda s: states[s][1])
    choice = [_position(model, stage) for stage in sorted(stages, key=lambda s: s.index)]
    for index, item in trace_back(parents, last):
        choice[index] = item
    return SearchResult(least + states[last][1], choice, count, True, bound, (multiplier,))


def _position(model: ExactModel, stage: _BaseStage) -> int:
    return model.classes[stage.index].index(stage.base)


def _reduced(stages: list[_BaseStage], residual: int, slack: int) -> list[_BaseStage]:
    """The stages with only the items whose bound passes; those left with their base are closed."""
    saving, charge = _suffix_slopes(stages)
    whole = _BoundTest(residual, slack, saving[0], charge[0])
    kept = []
    for stage in stages:
        moves = tuple(move for move in stage.moves if whole.passes(move[0], move[1]))
        if not moves or any(width or cost for width, cost, _ in moves):
            kept.append(_BaseStage.with_slopes(stage.index, stage.base, moves))
    return kept


def _suffix_slopes(stages: list[_BaseStage]) -> tuple[list[Fraction], list[Fraction]]:
    """alpha and beta of (1) for the classes from each stage on, and for none."""
    saving, charge = ([slope] for slope in _NOTHING_OPEN)
    for stage in reversed(stages):
        saving.append(max(saving[-1], stage.saving))
        charge.append(min(charge[-1], stage.charge))
    return saving[::-1], charge[::-1]


class _BoundTest:
    """Bound (1) against the threshold, in integers."""

    def __init__(self, residual: int, slack: int, saving: Fraction, charge: Fraction) -> None:
        self.residual, self.slack = residual, slack
        self.saving, self.charge = saving.as_integer_ratio(), charge.as_integer_ratio()
        self.closed = charge >= _INFINITE

    def passes(self, weight: int, cost: int) -> bool:
        left = self.residual - weight
        if left < 0 and self.closed:
            return False
        rise, run = self.saving if left >= 0 else self.charge
        return cost * run - rise * left < self.slack * run


def _extend(
    states: list[tuple[int, int]],
    moves: tuple[tuple[int, int, int], ...],
    test: _BoundTest,
    most: int,
    clock: ProofDeadline,
) -> tuple[list[tuple[int, int]], array[int], array[int]]:
    """All states after one more class that pass the test, lightest first, dominated ones gone."""
    offers: list[tuple[int, int, int, int]] = []
    for width, cost, j in moves:
        offers += [
            (w + width, c + cost, s, j)
            for s, (w, c) in enumerate(states)
            if test.passes(w + width, c + cost)
        ]
        clock.check()
        if len(offers) > most:
            raise StateLimit
    offers.sort()
    kept: list[tuple[int, int]] = []
    origin, taken = array("q"), array("q")
    for w, c, s, j in offers:
        if not kept or c < kept[-1][1]:
            kept.append((w, c))
            origin.append(s)
            taken.append(j)
    return kept, origin, taken
