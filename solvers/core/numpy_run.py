"""The NumPy kernel's driver: relax, branch or search, report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .core_problem import build_core
from .first import First, first_incumbent
from .reach import is_late, reach
from .relaxation import NEVER, Relaxation, excess, relax, trial
from .result import Branch, Found
from .task import Infeasible, Task

__all__ = ["run"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_NOTHING = {"states_total": 0, "states_peak": 0, "core_size": 0, "reduced": 0}


def run(task: Task) -> Found:
    """Solve a checked instance.

    Raises:
        Infeasible: the lightest items do not fit.
    """
    t = task
    cost, weight = _fixed(t)
    if int(np.minimum.reduceat(weight, t.offsets[:-1]).sum()) > t.capacity:
        raise Infeasible
    r = relax(t.offsets, cost, weight, t.capacity)
    first = first_incumbent(r, cost, weight, t.rival, t.cost)
    base = r.item[r.base]
    moves, open_bound, branch = first.moves, None, None
    held = t.rival.size > 0 and first.lead > t.hold
    stats: dict[str, float | int | str] = {
        "kernel": "numpy",
        "dominated": t.cost.size - r.item.size,
        "off_hull": r.item.size - r.hull_size,
        "classes_fixed": base.size,
        "items_left": 0,
        **_NOTHING,
    }
    states = NEVER
    if t.may_branch:
        states = trial(base.size, excess(r, first.gain - first.bound))
    if first.settled:
        pass
    elif states == 0:
        open_bound, branch = first.bound, _branch(t, r, first)
    elif held:
        open_bound = first.bound
    else:
        core = build_core(r, first, cost, weight, t.cost)
        stats["classes_fixed"] = base.size - core.far.pending.classes.size
        stats["items_left"] = core.far.pending.item.size
        until = NEVER if t.state_limit is None else t.state_limit
        outcome = reach(core, t.deadline, min(states, until))
        moves, open_bound = outcome.incumbent.moves, outcome.open_bound
        stats.update(outcome.stats)
        if open_bound is not None and states < until and not is_late(t.deadline):
            branch = _branch(t, r, first)
    return Found(
        base=base,
        item=_moved(base, moves),
        multiplier=r.multiplier,
        relaxed=first.bound,
        open_bound=open_bound,
        stats=stats,
        branch=branch,
        held=held and branch is None and open_bound is not None,
    )


def _fixed(
    t: Task,
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int64]]
]:
    """Costs and weights with the other items of fixed classes turned into dominated copies."""
    if not t.fixed.size:
        return t.cost, t.weight
    cost, weight = t.cost.copy(), t.weight.copy()
    for j in t.fixed.tolist():
        i = int(np.searchsorted(t.offsets, j, side="right")) - 1
        a, b = t.offsets[i], t.offsets[i + 1]
        weight[a:b] = t.weight[j]
        cost[a:b] = t.cost[j] + (1.0 + abs(t.cost[j]))
        cost[j] = t.cost[j]
    return cost, weight


def _branch(t: Task, r: Relaxation, first: First) -> Branch:
    """Return the break class with bounds for each of its items."""
    a, b = t.offsets[r.at_break], t.offsets[r.at_break + 1]
    at = r.item[r.base[r.at_break]]
    dc, dw = t.cost[a:b] - t.cost[at], t.weight[a:b] - t.weight[at]
    return Branch(r.at_break, first.envelope.bound(dc, r.room - dw) - first.envelope.allowance)


def _moved(base: Ints, moves: list[tuple[int, int]]) -> Ints:
    item = base.copy()
    for cls, j in moves:
        item[cls] = j
    return item
