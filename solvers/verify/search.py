"""What a complete search answers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class SearchResult:
    """The outcome of looking for a choice that costs less than a threshold.

    Args:
        best: the least cost below the threshold, None when no choice has one.
        choice: item positions of that choice.
        complete: whether the search ended; if not, ``best`` means nothing.
        bound: L(lambda), a lower bound of every choice's cost.
        multiplier: the lambda of that bound, in the model's units of cost.
    """

    best: int | None
    choice: list[int] | None
    states: int
    complete: bool
    bound: Fraction
    multiplier: tuple[Fraction, ...]


class StateLimit(Exception):
    """The search kept more partial choices than allowed."""


def trace_back(
    parents: list[tuple[int, array[int], array[int]]], state: int
) -> list[tuple[int, int]]:
    """The (class, item) pairs that led to a state.

    Args:
        parents: per stage its class, and for each state the state before it and the item taken.
    """
    taken = []
    for index, origin, items in reversed(parents):
        taken.append((index, items[state]))
        state = origin[state]
    return taken
