"""The instance in whole numbers: ties merged, costs scaled by a power of two."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from bitknap.problems import Instance, InstanceError

from .clock import NEVER, ProofDeadline

Weights = tuple[int, ...]


@dataclass(frozen=True)
class ExactItem:
    """An item of a class of the model: what it costs and weighs, and its label."""

    cost: int
    weights: Weights
    label: str


@dataclass(frozen=True)
class ExactModel:
    """An instance without ties whose costs are integers.

    A finite float64 is a whole number over a power of two, so with a large enough ``shift`` every
    cost times 2^shift is an integer, and sums and comparisons are exact.

    Args:
        classes: the items of each class; a group of tied classes is one class of the labels that
            all of them have.
        members: for each class the names of the original classes it stands for.
        shift: costs are in units of 2^-shift.
    """

    classes: tuple[tuple[ExactItem, ...], ...]
    members: tuple[tuple[str, ...], ...]
    capacity: Weights
    shift: int

    def to_units(self, value: float) -> int:
        """A float64 in the model's units of cost; exact when it was given to ``exact_model``."""
        scaled = Fraction(value) * (1 << self.shift)
        assert scaled.denominator == 1
        return scaled.numerator

    def to_float(self, cost: int | Fraction) -> float:
        """The correctly rounded float64 of a cost in the model's units."""
        try:
            return float(Fraction(cost) / (1 << self.shift))
        except OverflowError:
            return math.inf if cost > 0 else -math.inf

    def labels(self, positions: Iterable[int]) -> dict[str, str]:
        """Original class name -> label, for one item position of every class."""
        chosen = zip(self.members, self.classes, positions, strict=True)
        return {name: items[j].label for names, items, j in chosen for name in names}


def exact_model(instance: Instance, *also: float, clock: ProofDeadline = NEVER) -> ExactModel:
    """The exact model of an instance, in units that hold the numbers ``also`` too.

    Raises:
        TimeUp: the clock has run out.
        InstanceError: tied classes have no label in common.
    """
    costs: list[float] = instance.cost.tolist()
    shift = max(value.as_integer_ratio()[1].bit_length() - 1 for value in (*costs, *also))
    ends = instance.offsets.tolist()
    rows = list(zip(*instance.weight.tolist(), strict=True))
    plain: list[dict[str, ExactItem]] = []
    for start, stop in pairwise(ends):
        clock.check()
        items: dict[str, ExactItem] = {}
        for j in range(start, stop):
            numerator, denominator = costs[j].as_integer_ratio()
            cost = numerator * ((1 << shift) // denominator)
            items[instance.labels[j]] = ExactItem(cost, rows[j], instance.labels[j])
        plain.append(items)
    groups = _groups(len(plain), instance.ties)
    names = instance.class_names
    return ExactModel(
        tuple(_together([plain[i] for i in group], [names[i] for i in group]) for group in groups),
        tuple(tuple(names[i] for i in group) for group in groups),
        tuple(instance.capacity.tolist()),
        shift,
    )


def _groups(n_classes: int, ties: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    tied = {i for group in ties for i in group}
    return [*ties, *((i,) for i in range(n_classes) if i not in tied)]


def _together(parts: list[dict[str, ExactItem]], names: list[str]) -> tuple[ExactItem, ...]:
    shared = [label for label in parts[0] if all(label in other for other in parts)]
    if not shared:
        raise InstanceError(
            f"the tied classes {', '.join(names)} have no label in common, so no choice exists; "
            "give them the same labels or drop the tie"
        )
    return tuple(
        ExactItem(
            sum(part[label].cost for part in parts),
            tuple(map(sum, zip(*(part[label].weights for part in parts), strict=True))),
            label,
        )
        for label in shared
    )
