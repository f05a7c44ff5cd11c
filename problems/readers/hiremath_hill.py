"""Hiremath and Hill's test sets: several problems, each a number and then as Khan's.

References:
    C. S. Hiremath, R. R. Hill, International Journal of Operational Research 2 (2007), 495-512.
"""

from __future__ import annotations

from .base import Problem, Words
from .khan import numbered_classes


def parse(words: Words) -> list[Problem]:
    """All problems of a file."""
    found: list[Problem] = []
    while not words.ended or not found:
        found.append(numbered_classes(words, words.whole("the number of a problem", 1)))
    return found
