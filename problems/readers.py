"""The plain-text instance files of the multi-resource literature."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import InstanceError
from .instance import Instance
from .storage import read_text


def read_mmkp(path: str | os.PathLike[str]) -> Instance:
    """Read a multiple-choice multi-resource instance of maximal profit from a text file.

    Numbers separated by blanks or lines: classes N and resources M, the M capacities, then for each
    class the number of its items and for each item its profit and its M weights. The instance
    minimises cost = max p - p of each class, so that profit = P - cost with the constant P that
    ``source`` states.

    Raises:
        InstanceError: the file is missing or of another layout; the sentence names the place.

    References:
        H. Shojaei, T. Basten, M. Geilen, A. Davoodi, ACM TODAES 18 (2013), article 35, whose
        files have this layout.
    """
    words = iter(read_text(path, InstanceError).split())
    try:
        return _parse(words, Path(path).stem)
    except InstanceError as error:
        raise InstanceError(f"{path}: {error}") from None


def _parse(words: Iterator[str], name: str) -> Instance:
    classes = _whole(words, "the number of classes", 1)
    resources = _whole(words, "the number of resources", 1)
    capacity = [_whole(words, f"capacity {k}") for k in range(resources)]
    profits: list[list[float]] = []
    weights: list[list[int]] = []
    for i in range(classes):
        profits.append([])
        for j in range(_whole(words, f"the number of items of class {i}", 1)):
            where = f"item {j} of class {i}"
            profits[-1].append(_number(words, f"the profit of {where}"))
            weights.append([_whole(words, f"weight {k} of {where}") for k in range(resources)])
    if next(words, None) is not None:
        raise InstanceError(f"continues after the last of its {classes} classes")
    total = sum(max(part) for part in profits)
    return Instance(
        name=name,
        offsets=np.cumsum([0] + [len(part) for part in profits]),
        cost=np.array([max(part) - p for part in profits for p in part]),
        weight=np.array(weights, dtype=np.int64).T,
        capacity=np.array(capacity),
        class_names=tuple(f"c{i}" for i in range(classes)),
        labels=tuple(str(j) for part in profits for j in range(len(part))),
        resources=tuple(f"r{k}" for k in range(resources)),
        source=f"{name}; profit = {total:g} - cost",
    )


def _number(words: Iterator[str], what: str) -> float:
    word = next(words, None)
    if word is None:
        raise InstanceError(f"ends before {what}")
    try:
        return float(word)
    except ValueError:
        raise InstanceError(f"{what} must be a number, got {word!r}") from None


def _whole(words: Iterator[str], what: str, least: int = 0) -> int:
    number = _number(words, what)
    if not (least <= number < 2**53 and number == int(number)):
        raise InstanceError(f"{what} must be a whole number of at least {least}, got {number:g}")
    return int(number)
