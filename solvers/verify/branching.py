"""One resource: a search in parts, for a class heavier than all that could compensate."""

from __future__ import annotations

from dataclasses import replace

from .clock import ProofDeadline
from .model import ExactModel
from .search import SearchResult
from .single import find_break, lagrangian, search_single

_TRIAL = 5_000


def search_branching(
    model: ExactModel, threshold: int, max_states: int, clock: ProofDeadline
) -> SearchResult:
    """Find the least cost below a threshold as :func:`.single.search_single` does, or in parts.

    Where the step at the break is far heavier than those next to it, the capacity that it leaves or
    lacks could be compensated by very many combinations of the others. When a first search does
    not end, that class is fixed to each of its items in turn. Each choice takes one of them, so
    the parts together prove what the whole would; each has a multiplier of its own, and one whose
    L(lambda) is not below the threshold holds nothing cheaper.
    """
    at = find_break(model, clock)
    bound = lagrangian(model, (at.multiplier,))
    if bound >= threshold:
        return SearchResult(None, None, 0, True, bound, (at.multiplier,))
    divide = at.index is not None and at.uneven
    most = min(_TRIAL, max_states) if divide else max_states
    found = search_single(model, threshold, most, clock, at.multiplier, bound)
    if at.index is None or found.complete or found.states >= max_states:
        return found
    found = replace(found, best=None, choice=None, complete=True)
    for j, item in enumerate(model.classes[at.index]):
        classes = (*model.classes[: at.index], (item,), *model.classes[at.index + 1 :])
        part = replace(model, classes=classes)
        if sum(min(item.weights[0] for item in items) for items in classes) > part.capacity[0]:
            continue
        inside = search_branching(part, threshold, max_states - found.states, clock)
        found = replace(found, states=found.states + inside.states, complete=inside.complete)
        if not inside.complete:
            return found
        if inside.best is not None and inside.choice is not None:
            threshold = inside.best
            choice = [*inside.choice[: at.index], j, *inside.choice[at.index + 1 :]]
            found = replace(found, best=inside.best, choice=choice)
    return found
