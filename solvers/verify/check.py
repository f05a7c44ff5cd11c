"""``verify``: prove what a solution document claims, or say what is wrong with it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from bitknap.problems import Instance

from .arithmetic import faults, positions
from .branching import search_branching
from .clock import ProofDeadline, ProofTimeUp
from .document import Claim, read_claim
from .model import ExactItem, ExactModel, exact_model
from .search import SearchResult
from .several import search_several
from .verdict import Finding, Verdict

MAX_STATES = 1_000_000
"""Partial choices a proof may keep by default: about a minute."""

ALLOWANCE = Fraction(1, 10**12)
"""What rounding may explain, relative to the sum of the absolute costs of the chosen items."""


def verify(
    instance: Instance,
    document: Mapping[str, Any],
    *,
    max_states: int = MAX_STATES,
    time_limit: float | None = None,
) -> Verdict:
    """Recompute everything a solution claims, and prove it.

    The document is not trusted and no part of the solvers is used: only plain integers and
    fractions. Costs are float64, so a power of two times each is an integer and all sums are
    exact. The labels, ties, usage, capacity, objective (correctly rounded), bound and gap are
    recomputed. Then, with a multiplier lambda >= 0 found here, the exact dual bound :

        L(lambda) = sum_i min_j (cost_ij + lambda . weight_ij) - lambda . capacity

    excludes items, and a complete search of partial choices with dominance goes through the
    rest, in parts where one class outweighs the others: no choice costs less than an ``optimal``
    one, or than the bound of a ``feasible`` one, and none fits an ``infeasible`` instance.

    "Optimal" means that no feasible choice has a smaller exact cost. Where a cheaper one exists
    whose cost rounds to the same float64, the claimed objective (or bound) is proven to the last
    bit nevertheless, and ``exact`` is False. A claim that is off by at most 1e-12 of the sum of
    the absolute costs of the chosen items, as a solver's that adds float64 numbers may be, is
    UNPROVED, and beyond that WRONG; the cheaper choice is shown in both cases.

    Args:
        instance: any number of resources, ties included.
        max_states: partial choices to keep before giving up; the finding is then UNPROVED.
        time_limit: seconds before giving up likewise, or None.

    Returns:
        The verdict.

    Raises:
        DataError: the document is malformed; the sentence names the place.
        InstanceError: tied classes have no label in common.

    Example:
        >>> from bitknap.problems import build_instance
        >>> from bitknap.solvers import solve
        >>> instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
        >>> verify(instance, solve(instance).to_dict()).proved
        True
    """
    clock = (
        ProofDeadline() if time_limit is None else ProofDeadline(time.perf_counter() + time_limit)
    )
    claim = read_claim(document)
    extra = () if claim.bound is None else (claim.bound,)
    try:
        model = exact_model(instance, *extra, clock=clock)
        wrong = faults(instance, model, claim)
        if wrong:
            return Verdict(Finding.WRONG, claim.status, tuple(wrong))
        return _searched(instance, model, claim, max_states, clock)
    except ProofTimeUp:
        return Verdict(
            Finding.UNPROVED, claim.status, (f"Could not prove it within {time_limit:g} s.",)
        )


def _searched(
    instance: Instance, model: ExactModel, claim: Claim, max_states: int, clock: ProofDeadline
) -> Verdict:
    if claim.status == "infeasible":
        return _infeasible(model, claim, max_states, clock)
    if claim.choice is None:
        return Verdict(
            Finding.UNPROVED, claim.status, (f"A {claim.status} solution claims nothing.",)
        )
    return _bounded(instance, model, claim, max_states, clock)


def _bounded(
    instance: Instance, model: ExactModel, claim: Claim, max_states: int, clock: ProofDeadline
) -> Verdict:
    assert claim.choice is not None
    at = positions(model, claim.choice)
    chosen = [items[j] for items, j in zip(model.classes, at, strict=True)]
    cost = sum(item.cost for item in chosen)
    base = Verdict(
        Finding.UNPROVED,
        claim.status,
        ("The choice is feasible; its objective and usage are right.",),
        objective=model.to_float(cost),
    )
    if claim.bound is None:
        return _add(base, "It claims no bound, so there is nothing to prove about the optimum.")
    optimal = claim.status == "optimal"
    threshold = cost if optimal else model.to_units(claim.bound)
    search = _search(instance, model, claim, threshold, max_states, clock)
    dual = _rounded_down(model, search.bound)
    base = replace(
        base,
        bound=dual,
        dual_bound=dual,
        multiplier=tuple(model.to_float(price) for price in search.multiplier),
        states=search.states,
    )
    base = _add(base, f"The multiplier bound proves that the optimum is at least {dual}.")
    what = "its cost" if optimal else f"the bound {claim.bound}"
    if not search.complete:
        return _add(base, f"Could not prove {what} within {max_states} states.")
    return _conclude(model, base, search, threshold, chosen, what)


def _conclude(
    model: ExactModel,
    base: Verdict,
    search: SearchResult,
    threshold: int,
    chosen: list[ExactItem],
    what: str,
) -> Verdict:
    done = f"in a complete search that kept {search.states} states"
    if search.best is None:
        base = replace(base, finding=Finding.PROVED, exact=True)
        base = replace(base, bound=_rounded_down(model, Fraction(threshold)))
        return _add(base, f"No choice costs less than {what}: proven exactly, {done}.")
    assert search.choice is not None
    base = replace(base, bound=_rounded_down(model, Fraction(search.best)))
    excess = threshold - search.best
    least = model.to_float(search.best)
    if least == model.to_float(threshold):
        base = replace(base, finding=Finding.PROVED)
        return _add(
            base,
            f"A choice costs less than {what} by {model.to_float(excess):.3g}, which float64 does "
            f"not show; none costs less than {least}: proven to the last bit, {done}.",
        )
    base = replace(base, better=model.labels(search.choice))
    if excess <= ALLOWANCE * sum(abs(item.cost) for item in chosen):
        return _add(
            base,
            f"A feasible choice costs {least}, less than {what} by {model.to_float(excess):.3g}, "
            "within the rounding of a solver that adds float64 numbers: not proven; see the "
            "better choice.",
        )
    base = replace(base, finding=Finding.WRONG)
    return _add(base, f"A feasible choice costs {least}, less than {what}; see the better choice.")


def _search(
    instance: Instance,
    model: ExactModel,
    claim: Claim,
    threshold: int,
    max_states: int,
    clock: ProofDeadline,
) -> SearchResult:
    if len(model.capacity) == 1:
        return search_branching(model, threshold, max_states, clock)
    prices = claim.multiplier or {}
    start = [prices.get(name, 0.0) for name in instance.resources]
    return search_several(model, threshold, max_states, clock, start)


def _infeasible(model: ExactModel, claim: Claim, max_states: int, clock: ProofDeadline) -> Verdict:
    """Every choice breaks a limit: with all costs zero, none costs less than 1."""
    base = Verdict(Finding.UNPROVED, claim.status, ())
    for k, limit in enumerate(model.capacity):
        least = sum(min(item.weights[k] for item in items) for items in model.classes)
        if least > limit:
            return _add(
                replace(base, finding=Finding.PROVED, exact=True),
                f"Every choice uses at least {least} of resource {k}, above the limit {limit}.",
            )
    free = replace(
        model,
        classes=tuple(tuple(replace(item, cost=0) for item in items) for items in model.classes),
    )
    search = (
        search_several(free, 1, max_states, clock, None)
        if len(model.capacity) > 1
        else search_branching(free, 1, max_states, clock)
    )
    base = replace(base, states=search.states)
    if not search.complete:
        return _add(base, f"Could not prove that nothing fits within {max_states} states.")
    if search.choice is not None:
        base = replace(base, finding=Finding.WRONG, better=model.labels(search.choice))
        return _add(base, "A feasible choice exists; see the better choice.")
    return _add(
        replace(base, finding=Finding.PROVED, exact=True),
        f"No choice fits all limits, in a complete search that kept {search.states} states.",
    )


def _add(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, reasons=(*verdict.reasons, reason))


def _rounded_down(model: ExactModel, cost: Fraction) -> float:
    value = model.to_float(cost)
    exact = cost / (1 << model.shift)
    return value if Fraction(value) <= exact else math.nextafter(value, -math.inf)
