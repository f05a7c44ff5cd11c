"""The NumPy kernel's driver: relax, branch or search, report."""

from __future__ import annotations

import numpy as np

from .core_problem import CoreProblem, build_core
from .reach import reach
from .relaxation import LARGE, MANY, Relaxation, relax
from .result import Branch, Found
from .task import Infeasible, Task

__all__ = ["run"]


def run(task: Task) -> Found:
    """Solve a checked instance.

    Raises:
        Infeasible: the lightest items do not fit.
    """
    t = task
    if int(np.minimum.reduceat(t.weight, t.offsets[:-1]).sum()) > t.capacity:
        raise Infeasible
    r = relax(t.offsets, t.cost, t.weight, t.capacity)
    stats: dict[str, float | int | str] = {
        "kernel": "numpy",
        "dominated": t.cost.size - r.item.size,
        "off_hull": r.item.size - r.hull_size,
    }
    core = build_core(r, t.cost, t.weight, t.rival, t.given)
    stats["classes_fixed"] = r.base.size - core.pending.classes.size
    stats["items_left"] = core.pending.item.size
    if t.may_branch and r.huge and core.pending.classes.size * MANY > r.base.size >= LARGE:
        return _branch(task, r, core, stats)
    outcome = reach(core, t.deadline, t.state_limit)
    base = r.item[r.base]
    bound = core.envelope.bound(np.zeros(1), np.array([r.room]))
    return Found(
        base=base,
        item=_moved(base, outcome.incumbent.moves),
        multiplier=r.multiplier,
        relaxed=float(bound[0]) - core.envelope.allowance,
        open_bound=outcome.open_bound,
        stats={**stats, **outcome.stats},
    )


def _branch(
    t: Task, r: Relaxation, core: CoreProblem, stats: dict[str, float | int | str]
) -> Found:
    """Return the break class to branch on."""
    envelope = core.envelope
    base = r.item[r.base]
    a, b = t.offsets[r.at_break], t.offsets[r.at_break + 1]
    at = base[r.at_break]
    floor = envelope.bound(t.cost[a:b] - t.cost[at], r.room - (t.weight[a:b] - t.weight[at]))
    bound = float(envelope.bound(np.zeros(1), np.array([r.room]))[0]) - envelope.allowance
    counts = dict.fromkeys(("states_total", "states_peak", "core_size", "reduced"), 0)
    return Found(
        base=base,
        item=_moved(base, core.incumbent.moves),
        multiplier=r.multiplier,
        relaxed=bound,
        open_bound=bound,
        stats={**stats, **counts},
        branch=Branch(r.at_break, floor - envelope.allowance),
    )


def _moved(
    base: np.ndarray[tuple[int], np.dtype[np.int64]], moves: list[tuple[int, int]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    item = base.copy()
    for cls, j in moves:
        item[cls] = j
    return item
