"""Do the document's own numbers agree with the instance?"""

from __future__ import annotations

import math
from fractions import Fraction

from bitknap.problems import Instance

from .document import Claim
from .model import ExactModel

_GAP_ROUNDING = Fraction(1, 10**12)


def faults(instance: Instance, model: ExactModel, claim: Claim) -> list[str]:
    """A sentence for everything in the claim that is false by recomputation alone."""
    found = _header(instance, claim)
    if claim.choice is None:
        if claim.status in ("optimal", "feasible"):
            found.append(f"The status is {claim.status}, but there is no choice.")
        for key in ("objective", "usage", "gap"):
            if getattr(claim, key) is not None:
                found.append(f"The {key} is {getattr(claim, key)}, but there is no choice.")
        return found
    if claim.status not in ("optimal", "feasible"):
        return [*found, f"The status is {claim.status}, but there is a choice."]
    broken = _membership(instance, model, claim.choice)
    if broken:
        return found + broken
    return found + _amounts(instance, model, claim) + _bound_and_gap(claim)


def positions(model: ExactModel, choice: dict[str, str]) -> list[int]:
    """Item positions in the model of a choice that has no membership faults."""
    return [
        next(j for j, item in enumerate(items) if item.label == choice[names[0]])
        for names, items in zip(model.members, model.classes, strict=True)
    ]


def _header(instance: Instance, claim: Claim) -> list[str]:
    found = []
    if claim.instance != instance.name:
        found.append(f"It solves {claim.instance!r}, but the instance is {instance.name!r}.")
    limits = dict(zip(instance.resources, instance.capacity.tolist(), strict=True))
    if claim.capacity is not None and claim.capacity != limits:
        found.append(f"The capacity is given as {claim.capacity}, but it is {limits}.")
    for name, price in (claim.multiplier or {}).items():
        if name not in limits:
            found.append(f"The multiplier names the resource {name!r}, which does not exist.")
        if price < 0.0:
            found.append(f"The multiplier of {name} is {price}, below zero: it bounds nothing.")
    return found


def _more(names: list[str]) -> str:
    """How many names there are beside the first."""
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _membership(instance: Instance, model: ExactModel, choice: dict[str, str]) -> list[str]:
    names = set(instance.class_names)
    unknown = [name for name in choice if name not in names]
    missing = [name for name in instance.class_names if name not in choice]
    found = []
    if unknown:
        told = f"The choice names the class {unknown[0]!r}, which does not exist"
        found.append(f"{told}{_more(unknown)}.")
    if missing:
        found.append(f"Class {missing[0]!r} has no choice{_more(missing)}.")
    if found:
        return found
    for members, items in zip(model.members, model.classes, strict=True):
        labels = [choice[name] for name in members]
        if len(set(labels)) > 1:
            found.append(f"The tied classes {', '.join(members)} take different labels.")
        elif labels[0] not in {item.label for item in items}:
            found.append(f"Class {members[0]!r} has no item labelled {labels[0]!r}.")
    return found


def _amounts(instance: Instance, model: ExactModel, claim: Claim) -> list[str]:
    assert claim.choice is not None
    chosen = [
        items[j] for items, j in zip(model.classes, positions(model, claim.choice), strict=True)
    ]
    used = [sum(column) for column in zip(*(item.weights for item in chosen), strict=True)]
    usage = dict(zip(instance.resources, used, strict=True))
    found = [
        f"The choice uses {total} of {name}, above the capacity {limit}."
        for (name, total), limit in zip(usage.items(), model.capacity, strict=True)
        if total > limit
    ]
    if claim.usage != usage:
        found.append(f"The usage is given as {claim.usage}, but the choice uses {usage}.")
    objective = model.to_float(sum(item.cost for item in chosen))
    if claim.objective != objective:
        found.append(f"The objective is given as {claim.objective}, but it is {objective}.")
    return found


def _rounded(value: Fraction) -> float:
    """The nearest float64, infinite where the value is beyond them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _bound_and_gap(claim: Claim) -> list[str]:
    objective, bound, gap = claim.objective, claim.bound, claim.gap
    if objective is None:
        return []
    if claim.status == "optimal" and bound != objective:
        return [f"The status is optimal, but the bound {bound} is not the objective {objective}."]
    if bound is not None and bound > objective:
        return [f"The bound {bound} is above the objective {objective}."]
    if bound is None or (objective == 0.0 and bound != 0.0):
        return [] if gap is None else [f"The gap is given as {gap}, but it is not defined."]
    true = Fraction(0)
    if objective != bound:
        true = (Fraction(objective) - Fraction(bound)) / abs(Fraction(objective))
    if gap is None or abs(Fraction(gap) - true) > _GAP_ROUNDING * true:
        return [f"The gap is given as {gap}, but it is {_rounded(true)}."]
    return []
