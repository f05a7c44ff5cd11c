"""Several resources: Lagrangian bounds from a few multipliers, then a complete search."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction

from .bounds import Bounds, Price, Stage, bounds_along, distance, leverage, narrowed
from .clock import ProofDeadline
from .dominance import RecentDominance, Staircase
from .model import ExactModel, Weights
from .prices import good_price, prices_around
from .search import SearchResult, StateLimit, trace_back

State = tuple[Weights, int]

_FEW = 1_000
_FIRST_STEPS = 400
_LATER_STEPS = 60


def search_several(
    model: ExactModel,
    threshold: int,
    max_states: int,
    clock: ProofDeadline,
    start: Sequence[float] | None,
) -> SearchResult:
    """Find the least cost below a threshold, or show that there is none.

    A partial choice with cost c and usage u costs, however the set T of open classes is
    completed, for every lambda >= 0 at least:

        c + sum_{i in T} min_j (cost_ij + lambda . weight_ij) - lambda . (capacity - u)    (2)

    Several multipliers are tried for each. Items, and then partial choices, are dropped when (2)
    reaches the threshold or a resource would run out even with the lightest items; and those
    that another is no worse than in cost and in every resource. When more than a few partial
    choices stay, one class is split, and each part is searched with multipliers of its own.
    """
    stages = [
        Stage(i, tuple((item.weights, item.cost, j) for j, item in enumerate(items)))
        for i, items in enumerate(model.classes)
    ]
    ratios = [
        Fraction(value) * (1 << model.shift) for value in start or [0.0] * len(model.capacity)
    ]
    q = max(ratio.denominator for ratio in ratios)
    first = q, tuple(max(int(ratio * q), 0) for ratio in ratios)
    price = good_price(stages, model.capacity, threshold, first, _FIRST_STEPS, clock)
    root = bounds_along(stages, [price], model.capacity, 0)[0]
    bound = Fraction(-root.reach[0], price[0])
    multiplier = tuple(Fraction(p, price[0]) for p in price[1])
    search = _Splitting(model.capacity, threshold, max_states, clock)
    try:
        search.part(stages, price)
    except StateLimit:
        return SearchResult(None, None, search.states, False, bound, multiplier)
    return SearchResult(search.best, search.choice, search.states, True, bound, multiplier)


class _Splitting:
    """Depth first over the parts; the threshold falls to the best cost found."""

    def __init__(
        self, capacity: Weights, threshold: int, max_states: int, clock: ProofDeadline
    ) -> None:
        self.capacity, self.threshold, self.max_states = capacity, threshold, max_states
        self.clock = clock
        self.states = 0
        self.best: int | None = None
        self.choice: list[int] | None = None

    def part(self, stages: list[Stage], price: Price) -> None:
        stages = narrowed(stages, prices_around(price), self.capacity, self.threshold)
        if any(not stage.moves for stage in stages):
            return
        try:
            self.enumerate(stages, price)
        except StateLimit:
            if self.states > self.max_states:
                raise
            self.split(stages, price)

    def split(self, stages: list[Stage], price: Price) -> None:
        at = max(range(len(stages)), key=lambda t: leverage(stages[t], price))
        for move in stages[at].moves:
            piece = [*stages[:at], Stage(stages[at].index, (move,)), *stages[at + 1 :]]
            better = good_price(
                piece, self.capacity, self.threshold, price, _LATER_STEPS, self.clock
            )
            self.part(piece, better)

    def enumerate(self, stages: list[Stage], price: Price) -> None:
        stages = sorted(stages, key=lambda stage: (len(stage.moves) > 1, distance(stage, price)))
        tests = bounds_along(stages, prices_around(price), self.capacity, self.threshold)
        states: list[State] = [((0,) * len(self.capacity), 0)]
        parents: list[tuple[int, array[int], array[int]]] = []
        first = self.states
        for stage, test in zip(stages, tests[1:], strict=True):
            states, origin, taken = _extend(states, stage, test, self.clock)
            parents.append((stage.index, origin, taken))
            self.states += len(states) if len(stage.moves) > 1 else 0
            if self.states > min(self.max_states, first + _FEW):
                raise StateLimit
        if states:
            last = min(range(len(states)), key=lambda s: states[s][1])
            self.best = self.threshold = states[last][1]
            self.choice = [item for _, item in sorted(trace_back(parents, last))]


def _extend(
    states: list[State], stage: Stage, test: Bounds, clock: ProofDeadline
) -> tuple[list[State], array[int], array[int]]:
    """All states after one more class that pass the test, dominated ones gone."""
    offers = []
    for shift, extra, j in stage.moves:
        clock.check()
        for s, (weights, cost) in enumerate(states):
            total = tuple(map(int.__add__, weights, shift))
            if test.passes(total, cost + extra):
                offers.append((total, cost + extra, s, j))
    offers.sort()
    kept: list[State] = []
    origin, taken = array("q"), array("q")
    dominated = Staircase() if len(test.residual) == 2 else RecentDominance()
    for weights, cost, s, j in offers:
        if not dominated(weights, cost):
            kept.append((weights, cost))
            origin.append(s)
            taken.append(j)
    return kept, origin, taken
