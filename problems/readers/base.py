"""What layouts share: the numbers of a file in turn, and the problem that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InstanceError
from ..instance import Instance
from ..schema import brief

Item = tuple[float, list[int]]
"""Profit, and a weight per resource."""


@dataclass(frozen=True)
class Problem:
    """A problem of maximal profit.

    Args:
        capacity: one per resource.
        classes: the items of each.
        number: of the problem in its file, where files hold several.
    """

    capacity: list[int]
    classes: list[list[Item]]
    number: int | None = None

    def to_instance(self, stem: str, source: str) -> Instance:
        """The minimisation with cost = max p - p in each class."""
        total = sum(max(profit for profit, _ in items) for items in self.classes)
        costs = [max(p for p, _ in items) - profit for items in self.classes for profit, _ in items]
        rows = [weights for items in self.classes for _, weights in items]
        several = len(self.capacity) > 1
        return Instance(
            name=stem if self.number is None else f"{stem}-{self.number}",
            offsets=np.cumsum([0] + [len(items) for items in self.classes]),
            cost=np.array(costs),
            weight=np.array(rows, dtype=np.int64).T,
            capacity=np.array(self.capacity),
            class_names=tuple(f"c{i}" for i in range(len(self.classes))),
            labels=tuple(str(j) for items in self.classes for j in range(len(items))),
            resources=tuple(f"r{k}" for k in range(len(self.capacity))) if several else ("weight",),
            source=f"{source}; profit = {total:.17g} - cost",
        )


class Words:
    """The words of a file, read as numbers one after another.

    Args:
        words: all of them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words, self.at = words, 0

    @property
    def ended(self) -> bool:
        """Whether all words were read."""
        return self.at == len(self._words)

    def number(self, what: str) -> float:
        """The next word as a number; ``what`` names it in the sentence of an error."""
        if self.ended:
            raise InstanceError(f"ends before {what}")
        word = self._words[self.at]
        try:
            number = float(word)
        except ValueError:
            raise InstanceError(f"{what} must be a number, got {brief(word)}") from None
        self.at += 1
        return number

    def whole(self, what: str, least: int = 0) -> int:
        """The next word as a whole number."""
        number = self.number(what)
        if not (least <= number < 2**53 and number == int(number)):
            raise InstanceError(
                f"{what} must be a whole number of at least {least}, got {number:g}"
            )
        return int(number)

    def capacities(self, resources: int) -> list[int]:
        """The next words as a capacity per resource."""
        return [self.whole(f"capacity {k}") for k in range(resources)]

    def items(self, count: int, i: int, resources: int) -> list[Item]:
        """The next words as the items of class i: profit, then a weight per resource."""
        found: list[Item] = []
        for j in range(count):
            where = f"item {j} of class {i}"
            profit = self.number(f"the profit of {where}")
            weights = [self.whole(f"weight {k} of {where}") for k in range(resources)]
            found.append((profit, weights))
        return found
