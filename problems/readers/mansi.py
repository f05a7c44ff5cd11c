"""Mansi's INST files: classes, items of each, resources; capacities; items, classes unnumbered.

References:
    R. Mansi, C. Alves, J. Valério de Carvalho, S. Hanafi, Engineering Optimization 45 (2013),
    983-1004.
"""

from __future__ import annotations

from .base import Problem, Words


def parse(words: Words) -> list[Problem]:
    """The one problem of a file."""
    classes = words.whole("the number of classes", 1)
    count = words.whole("the number of items of each class", 1)
    resources = words.whole("the number of resources", 1)
    capacity = words.capacities(resources)
    return [Problem(capacity, [words.items(count, i, resources) for i in range(classes)])]
