"""Khan's I01 to I13: classes, items of each, resources; capacities; classes by their number.

    N L M
    C_1 .. C_M
    1
    p w_1 .. w_M        L lines of items, then the number of the next class

References:
    S. Khan, K. Li, E. Manning, M. Akbar, Studia Informatica Universalis 2 (2002), 157-178.
"""

from __future__ import annotations

from ..errors import InstanceError
from .base import Problem, Words


def parse(words: Words) -> list[Problem]:
    """The one problem of a file."""
    return [numbered_classes(words)]


def numbered_classes(words: Words, number: int | None = None) -> Problem:
    """A problem whose classes, of L items each, begin with their number."""
    classes = words.whole("the number of classes", 1)
    count = words.whole("the number of items of each class", 1)
    resources = words.whole("the number of resources", 1)
    capacity = words.capacities(resources)
    found = []
    for i in range(classes):
        told = words.whole(f"the number of class {i + 1}")
        if told != i + 1:
            raise InstanceError(f"class {i + 1} begins with the number {told}, not with {i + 1}")
        found.append(words.items(count, i, resources))
    return Problem(capacity, found, number)
