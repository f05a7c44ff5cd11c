"""The numba kernel's driver: check, relax, search in slices."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fixed_point import LIMB, Unit, fixed, minus
from .kernel_bracket import extremes, fix
from .kernel_first import first_steps, relax
from .kernel_incumbent import incumbent
from .kernel_node import BRANCH, HELD, INFEASIBLE, LONG, UNFIT
from .kernel_prepare import floors_of, prepare
from .kernel_quick import quick
from .kernel_search import lowest_open, search, start
from .kernel_states import BRANCHES, CORE, PEAK, REDUCED, SIZE, TOTAL, Problem
from .kernel_tree import floors
from .lattice import Lattice, find_lattice
from .relaxation import NEVER, trial
from .result import Branch, Found
from .task import Infeasible, Task

__all__ = ["run", "warm_up"]

# States made between two looks at the clock, about 0.1 s.
_SLICE = 4_000_000


def run(task: Task) -> Found | None:
    """Solve, or return None for what the NumPy kernel must see to.

    That is malformed arrays, no feasible choice, costs at the ends of the float range, and costs
    too far apart for 123 bits.

    Raises:
        Infeasible: the lightest items do not fit.
    """
    t = task
    arrays = _frozen(t.offsets), _frozen(t.cost), _frozen(t.weight)
    stop = NEVER if t.state_limit is None else t.state_limit
    rival, fixed = _frozen(t.rival), _frozen(t.fixed)
    q = quick(*arrays, t.capacity, min(stop, _SLICE), rival, fixed, t.may_branch, t.hold)
    if q.code == UNFIT:
        return None
    if q.code == INFEASIBLE:
        raise Infeasible
    if q.code == LONG:
        return _long(t._replace(rival=rival, fixed=fixed), arrays, stop)
    classes = q.base.size - q.classes
    branch = Branch(q.cls, q.floor) if q.code == BRANCH else None
    return Found(
        base=q.base,
        item=q.item,
        multiplier=q.multiplier,
        relaxed=q.relaxed,
        open_bound=q.relaxed if q.code in (BRANCH, HELD) else None,
        stats=_stats(classes, q.items, q.count),
        branch=branch,
        held=q.code == HELD,
        choice=q.choice,
        objective=q.objective if q.objective == q.objective else None,
        change=(q.change, q.noise),
    )


def _long(t: Task, arrays: tuple[Any, Any, Any], stop: int) -> Found:
    """Solve in slices."""
    ends = fix(arrays[0], arrays[2], extremes(*arrays)[0], t.fixed)
    reach = float(ends.most - ends.least)
    near = first_steps(*arrays, ends, t.capacity)
    relaxed = relax(*arrays, near, reach, ends.whole, t.rival.copy())
    prepared = prepare(*arrays, relaxed)
    problem = _problem(relaxed, prepared, reach)
    state = start(prepared.far, problem, prepared.high, prepared.low, prepared.moves)
    states = trial(relaxed.base.size, relaxed.excess) if t.may_branch else NEVER
    until, made, late = min(stop, states), 0, False
    while made < until and state.count[SIZE] and not late:
        state = search(state, problem, prepared.source, min(until, made + _SLICE))
        made = int(state.count[TOTAL])
        late = t.deadline is not None and time.perf_counter() >= t.deadline
    item = relaxed.base.copy()
    moves = incumbent(state)
    item[moves[:, 0]] = moves[:, 1]
    fixed = item.size - prepared.far.cls.size
    open_bound, branch = None, None
    if state.count[SIZE]:
        open_bound = lowest_open(state, problem)
        if states < stop and not late:
            branch = Branch(int(relaxed.at_break), floors(*arrays, relaxed))
    return Found(
        base=relaxed.base,
        item=item,
        multiplier=relaxed.multiplier,
        relaxed=relaxed.bound,
        open_bound=open_bound,
        stats=_stats(fixed, prepared.items, state.count),
        branch=branch,
    )


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: the kernel is compiled for these, and for nothing else."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _problem(relaxed: Any, prepared: Any, reach: float) -> Any:
    """Return the constants of the search."""
    source = prepared.source
    exact = prepared.bits <= LIMB
    lattice = Lattice(prepared.gcd, 0, 1)
    if exact:
        lattice = _lattice(source, prepared.far.cls)
    return Problem(
        relaxed.room // lattice.g * lattice.g,
        reach,
        float(np.ldexp(1.0, source.unit)),
        lattice.g,
        lattice.h,
        lattice.G,
        exact,
        relaxed.envelope.allowance,
    )


def _lattice(source: Any, cls: NDArray[np.int64]) -> Lattice:
    """Return a lattice that holds the differences of all items of use."""
    first, size = source.offsets[cls], np.diff(source.offsets)[cls]
    item = np.repeat(first - np.cumsum(size) + size, size) + np.arange(int(size.sum()))
    base = np.repeat(source.base[cls], size)
    dw, dc = source.weight[item] - source.weight[base], source.cost[item] - source.cost[base]
    bound = floors_of(source.test, source.envelope, dc, dw)
    at = np.flatnonzero(bound < np.inf)
    unit = Unit(source.unit, 1)
    value, _ = minus(fixed(source.cost[item[at]], unit), fixed(source.cost[base[at]], unit))
    return find_lattice(dw[at], value)


def _stats(fixed: int, items: int, count: NDArray[np.int64]) -> dict[str, float | int | str]:
    slots = count.tolist()
    stats: dict[str, float | int | str] = {
        "kernel": "numba",
        "classes_fixed": fixed,
        "items_left": items,
        "core_size": slots[CORE],
        "reduced": slots[REDUCED],
        "states_total": slots[TOTAL],
        "states_peak": slots[PEAK],
    }
    if slots[BRANCHES]:
        stats["branches"] = slots[BRANCHES]
    return stats


def warm_up() -> None:
    """Run all of the kernel on instances that take every branch."""
    rng = np.random.default_rng(0)
    for classes in (3, 2000):
        offsets = np.arange(classes + 1) * 4
        cost, weight = rng.random(4 * classes), rng.integers(0, 1 << 30, 4 * classes)
        task = Task(offsets, cost, weight, int(weight.sum()) // 4)
        for changed in (task, task._replace(state_limit=1)):
            run(changed)
