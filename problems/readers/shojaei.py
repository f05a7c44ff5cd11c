"""Shojaei's irregular files: classes, resources; capacities; each class's number of items first.

References:
    H. Shojaei, T. Basten, M. Geilen, A. Davoodi, ACM TODAES 18 (2013), article 35.
"""

from __future__ import annotations

from .base import Problem, Words


def parse(words: Words) -> list[Problem]:
    """The one problem of a file."""
    classes = words.whole("the number of classes", 1)
    resources = words.whole("the number of resources", 1)
    capacity = words.capacities(resources)
    found = []
    for i in range(classes):
        count = words.whole(f"the number of items of class {i}", 1)
        found.append(words.items(count, i, resources))
    return [Problem(capacity, found)]
