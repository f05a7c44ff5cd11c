"""Text files of the knapsack literature: one file per layout, a function of the numbers in it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from ..catalogue import Catalogue
from ..errors import InstanceError
from ..instance import Instance
from ..storage import read_text
from .base import Problem, Words

LAYOUTS = Catalogue("bitknap.problems.readers", "parse", "layout", dashes=True)
"""Every layout: a function ``parse(words) -> list[Problem]`` in its own file."""


def read_instances(path: str | os.PathLike[str], layout: str | None = None) -> list[Instance]:
    """Read the instances of maximal profit in a text file of the literature.

    Numbers are separated by blanks or lines; what follows a line of dashes, results in some files,
    is not read. Each instance minimises cost = max p - p of each class, so that
    profit = P - cost with the constant P that ``source`` states.

    Args:
        layout: a name of ``LAYOUTS``; by default the one that fits the whole file.

    Raises:
        InstanceError: the file is missing, malformed, or fits no layout or several; the sentence
            names the place.
        UnsupportedError: no layout has that name.
    """
    text = re.split(r"^\s*---", read_text(path, InstanceError), maxsplit=1, flags=re.MULTILINE)[0]
    words = text.split()
    try:
        if layout is None:
            layout, problems = _recognised(words)
        else:
            problems = _complete(LAYOUTS.load(layout), Words(words))
        stem, source = Path(path).stem, f"{Path(path).name}, layout {layout}"
        return [problem.to_instance(stem, source) for problem in problems]
    except InstanceError as error:
        raise InstanceError(f"{path}: {error}") from None


def read_instance(path: str | os.PathLike[str]) -> Instance:
    """Read a text file that holds one instance.

    Raises:
        InstanceError: as for `read_instances`, or it holds several.
    """
    found = read_instances(path)
    if len(found) > 1:
        raise InstanceError(
            f"{path}: holds {len(found)} instances; write each to a file of its own with "
            "`bitknap instances import`"
        )
    return found[0]


def _complete(parse: Callable[[Words], list[Problem]], words: Words) -> list[Problem]:
    problems = parse(words)
    if not words.ended:
        count = len(problems[-1].classes)
        raise InstanceError(f"continues after the last of its {count} classes")
    return problems


def _recognised(numbers: list[str]) -> tuple[str, list[Problem]]:
    """The one layout that fits, and what it reads."""
    found: dict[str, list[Problem]] = {}
    failed: list[tuple[int, str]] = []
    for name in LAYOUTS.names():
        words = Words(numbers)
        try:
            found[name] = _complete(LAYOUTS.load(name), words)
        except InstanceError as error:
            failed.append((words.at, f"{error} (as {name}, the layout that fits furthest)"))
    if not found:
        raise InstanceError(max(failed, key=lambda entry: entry[0])[1])
    if len(found) > 1:
        raise InstanceError(f"fits the layouts {' and '.join(found)}; choose one with --layout")
    return found.popitem()
