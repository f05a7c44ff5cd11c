"""Quadratic solutions recomputed from the files alone, and small ones proven."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bitknap.problems import InstanceError, IntArray
from bitknap.problems.quadratic import QuadraticInstance

from ..base import relative_gap
from ..exact import exact_integers
from ..verify.document import Claim, read_claim
from ..verify.verdict import Finding, Verdict
from .referee import PROVEN, better_exchange

MAX_CHOICES = 200_000
"""Choices of a class tree that are looked at before a proof is given up: some seconds."""


def verify_quadratic(
    problem: QuadraticInstance, document: Mapping[str, Any], *, max_choices: int = MAX_CHOICES
) -> Verdict:
    """Recompute what a quadratic solution claims, try to refute it, and prove it where it is small.

    Choice, ties, usage, capacity, objective (correctly rounded) and gap are recomputed; a claimed
    optimum is held against the best objective known and every exchange in one class. Then all
    choices are gone through in exact integers, in at most ``max_choices`` partial ones: beyond
    that the proof of the bound is not repeated, and the finding is UNPROVED.

    Raises:
        DataError: the document is malformed; the sentence names the place.
    """
    claim = read_claim(document)
    if claim.choice is None:
        reason = f"A {claim.status} solution gives no choice to recompute."
        return Verdict(Finding.UNPROVED, claim.status, (reason,))
    try:
        choice = problem.knapsack.from_labels(claim.choice)
    except InstanceError as error:
        return Verdict(Finding.WRONG, claim.status, (f"The choice is wrong: {error}.",))
    wrong = _faults(problem, claim, choice)
    objective = problem.objective(choice)
    if wrong:
        return Verdict(Finding.WRONG, claim.status, tuple(wrong), objective=objective)
    recomputed = "The choice is feasible; its objective and usage are right."
    if claim.bound is None:
        reasons = (recomputed, "It claims no bound, so there is nothing to prove of the optimum.")
        return Verdict(Finding.UNPROVED, claim.status, reasons, objective=objective)
    slack = PROVEN * math.fsum(map(abs, problem.terms(choice)))
    better = better_exchange(problem, choice, slack) if claim.status == "optimal" else None
    known = problem.best
    if better is None and known is not None and claim.bound > known + slack:
        reason = f"The bound {claim.bound} is above {known}, an objective that is known."
        return Verdict(Finding.WRONG, claim.status, (reason,), objective=objective)
    complete = True
    if better is None:
        below = min(claim.bound, objective) - (slack if claim.status == "optimal" else 0.0)
        better, complete = _below(problem, below, max_choices)
    if better is not None:
        value = problem.objective(better)
        reason = f"A choice of {value} is below the bound {claim.bound}."
        labels = problem.knapsack.by_label(better)
        return Verdict(Finding.WRONG, claim.status, (reason,), objective=objective, better=labels)
    if not complete:
        reason = f"The bound was not proven again: there are more than {max_choices:,} choices."
        return Verdict(Finding.UNPROVED, claim.status, (recomputed, reason), objective=objective)
    reason = f"No choice costs less than the bound {claim.bound}: all were looked at."
    return Verdict(
        Finding.PROVED, claim.status, (recomputed, reason), objective=objective, bound=claim.bound
    )


def _faults(problem: QuadraticInstance, claim: Claim, choice: IntArray) -> list[str]:
    knapsack = problem.knapsack
    wrong = []
    if claim.instance != problem.name:
        wrong.append(f"It solves {claim.instance!r}, not {problem.name!r}.")
    usage = dict(zip(knapsack.resources, knapsack.usage(choice).tolist(), strict=True))
    capacity = dict(zip(knapsack.resources, knapsack.capacity.tolist(), strict=True))
    for name, used in usage.items():
        if used > capacity[name]:
            wrong.append(f"The choice uses {used} of {name}, above the capacity {capacity[name]}.")
    if not knapsack.keeps_ties(choice):
        wrong.append("Tied classes take different labels.")
    if claim.usage is not None and claim.usage != usage:
        wrong.append(f"The usage is {usage}, not {claim.usage}.")
    if claim.capacity is not None and claim.capacity != capacity:
        wrong.append(f"The capacity is {capacity}, not {claim.capacity}.")
    objective = problem.objective(choice)
    if claim.objective != objective:
        wrong.append(f"The objective is {objective}, not {claim.objective}.")
    if claim.bound is not None:
        if claim.bound > objective:
            wrong.append(f"The bound {claim.bound} is above the objective {objective}.")
        gap = relative_gap(objective, claim.bound)
        if claim.gap is not None and not math.isclose(claim.gap, gap, abs_tol=1e-12):
            wrong.append(f"The gap is {gap}, not {claim.gap}.")
    return wrong


def _below(problem: QuadraticInstance, value: float, most: int) -> tuple[IntArray | None, bool]:
    """A choice that costs less than a number, exactly, and whether all were looked at."""
    knapsack = problem.knapsack
    n, classes = knapsack.n_items, len(knapsack)
    numbers = np.concatenate((knapsack.cost, problem.matrix.ravel(), [value]))
    integers, _ = exact_integers(numbers)
    cost, limit = integers[:n], 2 * integers[-1]
    rows = [integers[n + i * n : n + (i + 1) * n] for i in range(n)]
    starts = knapsack.offsets.tolist()
    weight, capacity = knapsack.weight.T.tolist(), knapsack.capacity.tolist()
    ahead = [*np.cumsum(knapsack.lightest.T[::-1], axis=0)[::-1].tolist(), [0] * len(capacity)]
    group = {i: min(tie) for tie in knapsack.ties for i in tie}
    seen = 0
    stack: list[tuple[tuple[int, ...], int, list[int]]] = [((), 0, [0] * len(capacity))]
    while stack:
        chosen, twice, used = stack.pop()
        i = len(chosen)
        if i == classes:
            if twice < limit:
                return np.array(chosen) - knapsack.offsets[:-1], True
            continue
        for j in range(starts[i], starts[i + 1]):
            first = group.get(i, i)
            if first < i and knapsack.labels[chosen[first]] != knapsack.labels[j]:
                continue
            total = [a + b for a, b in zip(used, weight[j], strict=True)]
            bounds = zip(total, ahead[i + 1], capacity, strict=True)
            if all(a + b <= c for a, b, c in bounds):
                seen += 1
                if seen > most:
                    return None, False
                more = 2 * cost[j] + rows[j][j] + 2 * sum(rows[j][k] for k in chosen)
                stack.append(((*chosen, j), twice + more, total))
    return None, True
