"""What is true of a small instance and of a claim, from the raw documents, in fractions."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

MOST = 20_000
"""Choices that are tried."""

ROUNDING = Fraction(1, 10**12)

QUADRATIC_ROUNDING = Fraction(1, 10**9)

Item = dict[str, Any]


Matrix = list[list[float]]
"""G of a quadratic objective c'x + 1/2 x'Gx."""


def choices(
    instance: dict[str, Any], matrix: Matrix | None = None
) -> Iterator[tuple[Fraction, Fraction, dict[str, str]]]:
    """(cost, sum of its absolute terms, labels) of every feasible choice."""
    names = [entry["name"] for entry in instance["classes"]]
    places = itertools.count()
    numbered = [[(next(places), item) for item in entry["items"]] for entry in instance["classes"]]
    for chosen in itertools.product(*numbered):
        at, items = zip(*chosen, strict=True)
        labels = {name: item["label"] for name, item in zip(names, items, strict=True)}
        tied = all(len({labels[n] for n in group}) == 1 for group in instance.get("ties", []))
        used = [sum(column) for column in zip(*[item["weight"] for item in items], strict=True)]
        if tied and all(u <= c for u, c in zip(used, instance["capacity"], strict=True)):
            costs = [Fraction(item["cost"]) for item in items]
            if matrix is not None:
                costs += [Fraction(matrix[i][j]) / 2 for i in at for j in at]
            yield sum(costs, Fraction(0)), sum(map(abs, costs), Fraction(0)), labels


def small(instance: dict[str, Any]) -> bool:
    """Whether every choice can be tried."""
    return math.prod(len(entry["items"]) for entry in instance["classes"]) <= MOST


def wrong_answer(
    instance_text: bytes, answer: dict[str, Any], matrix: Matrix | None = None
) -> str | None:
    """What is false in the answer of a solver to an instance file, or None."""
    rounding = ROUNDING if matrix is None else QUADRATIC_ROUNDING
    instance = json.loads(instance_text)
    if not small(instance):
        return None
    found = list(choices(instance, matrix))
    status = answer["status"]
    if status == "infeasible":
        return "called infeasible, but a choice fits" if found else None
    if status not in ("optimal", "feasible"):
        return None
    own = next((entry for entry in found if entry[2] == answer["choice"]), None)
    if own is None:
        return "the choice does not fit"
    cost, size, _ = own
    if float(cost) != answer["objective"]:
        return f"the objective {answer['objective']} of a choice of {float(cost)}"
    best = min(entry[0] for entry in found)
    bound = cost if status == "optimal" else answer["bound"]
    if bound is not None and Fraction(bound) - best > rounding * size:
        return f"{status} with the bound {float(bound)}, the optimum is {float(best)}"
    return None
