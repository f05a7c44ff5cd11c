"""One resource: classes and the capacity; each class's number of items, then profit and weight.

The standard layout of F. Fontan's multiplechoiceknapsacksolver.
"""

from __future__ import annotations

from .base import Problem, Words


def parse(words: Words) -> list[Problem]:
    """The one problem of a file."""
    classes = words.whole("the number of classes", 1)
    capacity = words.capacities(1)
    found = []
    for i in range(classes):
        found.append(words.items(words.whole(f"the number of items of class {i}", 1), i, 1))
    return [Problem(capacity, found)]
