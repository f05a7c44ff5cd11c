"""Dominance between partial choices."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from .model import Weights

_WINDOW = 64


class Staircase:
    """Dominance for two resources, complete.

    Partial choices come in order of their first weight, so one is dominated exactly when among
    those before it one with no larger second weight costs no more. The best costs by second
    weight form a falling staircase.
    """

    def __init__(self) -> None:
        self.weights: list[int] = []
        self.costs: list[int] = []

    def __call__(self, weights: Weights, cost: int) -> bool:
        """Whether an earlier partial choice is no worse; if none is, remember this one."""
        at = bisect_right(self.weights, weights[1])
        if at and self.costs[at - 1] <= cost:
            return True
        start = bisect_left(self.weights, weights[1])
        stop = start
        while stop < len(self.costs) and self.costs[stop] >= cost:
            stop += 1
        self.weights[start:stop] = [weights[1]]
        self.costs[start:stop] = [cost]
        return False


class RecentDominance:
    """Dominance for any number of resources, tested against the last few that stayed.

    Incomplete: some dominated partial choices stay, which costs time and nothing else.
    """

    def __init__(self) -> None:
        self.last: list[tuple[Weights, int]] = []

    def __call__(self, weights: Weights, cost: int) -> bool:
        """Whether a recent partial choice is no worse; if none is, remember this one."""
        for other, less in self.last:
            if less <= cost and all(a <= b for a, b in zip(other, weights, strict=True)):
                return True
        self.last = [(weights, cost), *self.last[: _WINDOW - 1]]
        return False
