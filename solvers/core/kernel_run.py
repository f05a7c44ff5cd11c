"""The numba kernel's driver: check, relax, search in slices."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fixed_point import LIMB
from .kernel_prepare import prepare
from .kernel_quick import quick
from .kernel_relax import extremes
from .kernel_search import (
    CORE,
    PEAK,
    REDUCED,
    TOTAL,
    Problem,
    lowest_open,
    search,
    start,
)
from .lattice import Lattice, find_lattice
from .result import Found

__all__ = ["run", "warm_up"]

# States made between two looks at the clock, about 0.1 s.
_SLICE = 4_000_000
_NEVER = 1 << 62


def run(
    offsets: NDArray[np.int64],
    cost: NDArray[np.float64],
    weight: NDArray[np.int64],
    capacity: int,
    deadline: float | None,
    state_limit: int | None,
) -> Found | None:
    """Solve, or return None for what the NumPy kernel must see to.

    That is malformed arrays, no feasible choice, costs at the ends of the float range, and costs
    too far apart for 123 bits.
    """
    stop = _NEVER if state_limit is None else state_limit
    q = quick(offsets, cost, weight, capacity, min(stop, _SLICE))
    if not q.fits:
        return None
    if q.done:
        stats = _stats(q.base.size - q.classes, q.items, q.count)
        return Found(q.base, q.item, q.multiplier, q.relaxed, None, stats)
    light, heavy, least, most, *_ = extremes(offsets, cost, weight)
    reach = float(most - least)
    prepared = prepare(offsets, cost, weight, capacity, (light, heavy, least, most), reach)
    problem = _problem(prepared)
    state = start(
        prepared.pending, problem.room, reach, prepared.high, prepared.low, prepared.completion
    )
    made = 0
    while made < stop:
        state = search(state, problem, min(stop, made + _SLICE))
        made = int(state.count[TOTAL])
        if not state.states.w.size or (deadline is not None and time.perf_counter() >= deadline):
            break
    return _found(prepared, problem, state)


def _problem(prepared: Any) -> Any:
    """Return the constants of the search."""
    exact = prepared.bits <= LIMB
    lattice = Lattice(prepared.gcd, 0, 1)
    pending = prepared.pending
    if exact:
        value = (pending.high << LIMB) + pending.low
        lattice = find_lattice(pending.dw, value)
    return Problem(
        prepared.room // lattice.g * lattice.g,
        prepared.reach,
        float(np.ldexp(1.0, prepared.exponent)),
        lattice.g,
        lattice.h,
        lattice.G,
        exact,
        prepared.envelope.allowance,
    )


def _found(prepared: Any, problem: Any, state: Any) -> Found:
    finished = not state.states.w.size
    item = prepared.base.copy()
    item[state.best[:, 0]] = state.best[:, 1]
    return Found(
        base=prepared.base,
        item=item,
        multiplier=prepared.multiplier,
        relaxed=prepared.hull_bound,
        open_bound=None if finished else lowest_open(state, problem),
        stats=_stats(
            prepared.base.size - prepared.pending.cls.size, prepared.pending.item.size, state.count
        ),
    )


def _stats(fixed: int, items: int, count: NDArray[np.int64]) -> dict[str, float | int | str]:
    return {
        "kernel": "numba",
        "classes_fixed": fixed,
        "items_left": items,
        "core_size": int(count[CORE]),
        "reduced": int(count[REDUCED]),
        "states_total": int(count[TOTAL]),
        "states_peak": int(count[PEAK]),
    }


def warm_up() -> None:
    """Run all of the kernel on instances that take every branch."""
    rng = np.random.default_rng(0)
    for classes in (3, 2000):
        offsets = np.arange(classes + 1) * 4
        cost, weight = rng.random(4 * classes), rng.integers(0, 1 << 30, 4 * classes)
        capacity = int(weight.sum()) // 4
        run(offsets, cost, weight, capacity, None, None)
        run(offsets, cost, weight, capacity, None, 1)
