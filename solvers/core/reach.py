"""Dynamic programming by reaching over the expanding core, NumPy kernel.

A state is ``(w, v)``: weight and exact cost of a partial choice relative to the break solution,
classes that have not entered standing at their break items. States are kept by increasing weight
and strictly decreasing cost. When a class enters, every state is shifted by every item that may
still be of use; dominated states go first, then those whose bound (see :mod:`.sequence`) is above
the threshold (see :mod:`.lattice`). The incumbent is the last state with ``w <= room``. The search
ends when no state is left: then nothing can be cheaper than the incumbent. Each time the list has
doubled, its states are completed by single items outside, which finds good incumbents early. From
time to time the items still outside are tested against the lowest bound of a state, which rules
most of them out.

Floats appear in the bounds only, and every comparison there errs on the side of keeping a state;
dominance and incumbents are decided on exact costs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .core_problem import CoreProblem
from .envelope import SLACK
from .fixed_point import Exact, as_int, plus, to_real
from .incumbent import Incumbent
from .states import Stage, States, cheapest, entries, pareto

__all__ = ["SearchOutcome", "is_late", "reach"]

Ints = NDArray[np.int64]

# States are completed when there are first this many, and at twice as many again.
_COMPLETE_AT = 8
# States made before the items outside are looked at again, besides two for each of these; with a
# new incumbent, one for each is enough.
_PATIENCE = 512
# Parents kept before those without a living descendant are thrown away.
_COMPACT = 20_000_000


@dataclass
class SearchOutcome:
    """How a search ended: the incumbent, a bound on what is left (None if nothing), counts."""

    incumbent: Incumbent
    open_bound: float | None
    stats: dict[str, int] = field(default_factory=dict)


class _Search:
    """The state list and its history."""

    def __init__(self, core: CoreProblem) -> None:
        self.core = core
        self.far = core.far
        self.pending = core.far.pending.take(np.empty(0, dtype=np.int64))
        self.best = core.incumbent
        self.envelope = core.outside(self.pending, self.far)
        start = np.zeros(1, dtype=np.int64)
        self.states = States(start, core.zero(), start)
        self.stages: list[Stage] = []
        self.entered = 0
        self.stored = 0
        self.work = 0
        self.news = False
        self.doubled = _COMPLETE_AT
        self.counts = {"states_total": 1, "states_peak": 1, "core_size": 0, "reduced": 0}

    @property
    def exhausted(self) -> bool:
        return not self.states.weight.size

    def step(self) -> None:
        """Let the next class enter; complete and reduce when it is worth it."""
        due = self.entered == self.pending.classes.size
        if due:
            self.refill()
        else:
            self.news |= self.enter()
            if self.states.weight.size >= self.doubled:
                self.doubled = 2 * self.states.weight.size
                self.news |= self.complete()
        waiting = self.pending.item.size - int(self.pending.ptr[self.entered])
        if due or self.work >= (waiting if self.news else _PATIENCE + 2 * waiting):
            self.reduce()
        if self.stored > _COMPACT:
            self.compact()

    def refill(self) -> None:
        """Lay out the classes whose turn is next."""
        limit = self.core.threshold(self.best.value, 0.0) + self.core.envelope.allowance
        self.pending, self.far = self.far.split(limit)
        self.entered = 0
        if self.nothing_outside:
            self.refilter()

    @property
    def nothing_outside(self) -> bool:
        """Whether all classes have entered."""
        none_near = self.entered == self.pending.classes.size
        return none_near and not self.far.pending.classes.size

    def enter(self) -> bool:
        """Let the next class enter; tell if the incumbent improved."""
        p, t = self.pending, self.entered
        a, b = int(p.ptr[t]), int(p.ptr[t + 1])
        self.entered = t + 1
        value = entries(p.dv, slice(a, b))
        return self.expand(int(p.classes[t]), p.item[a:b], p.dw[a:b], value)

    def expand(self, cls: int, items: Ints, dw: Ints, dv: Exact) -> bool:
        """Shift every state by every item and keep the undominated; tell if the best improved."""
        s = self.states
        weight = (dw[:, None] + s.weight).ravel()
        high, low = plus(entries(dv, (slice(None), None)), s.value)
        value: Exact = (high.ravel(), None if low is None else low.ravel())
        index = pareto(weight, value)
        before = s.weight.size
        self.states = States(weight, value, np.arange(weight.size)).take(index)
        self.work += weight.size
        self.counts["states_total"] += weight.size
        self.counts["states_peak"] = max(self.counts["states_peak"], index.size)
        self.counts["core_size"] += 1
        stage = Stage(cls, items, self.states.source, before)
        improved = self.improve(stage)
        self.prune()
        stage.source = self.states.source
        self.record(stage)
        return improved

    def complete(self) -> bool:
        """Make the cheapest of states with one item outside the incumbent if it is cheaper."""
        s, p, a = self.states, self.pending, int(self.pending.ptr[self.entered])
        at = np.searchsorted(s.weight, self.core.room - p.dw[a:], side="right") - 1
        fits = np.flatnonzero(at >= 0)
        if not fits.size:
            return False
        state, item = at[fits], a + fits
        value = plus(entries(s.value, state), entries(p.dv, item))
        k = cheapest(value)
        if as_int(value, k) >= self.best.value:
            return False
        cls = int(p.classes[np.searchsorted(p.ptr, item[k], side="right") - 1])
        moves = [(cls, int(p.item[item[k]])), *self.path(int(state[k]), self.stages)]
        self.best = Incumbent(as_int(value, k), moves)
        return True

    def reduce(self) -> None:
        """Drop items outside that no state can use, and renew the envelope without them.

        Taking an item changes the bound of a state by ``dc + F(room) - F(room - dw)``, and ``F`` is
        concave up to its allowance: by at least ``dc + s dw``, ``s`` the slope at the largest room
        of a state if ``dw > 0`` and at the smallest otherwise.
        """
        self.work, self.news = 0, False
        p, t = self.pending, self.entered
        if self.exhausted or t == p.classes.size:
            return
        a = int(p.ptr[t])
        dw, dc = p.dw[a:], p.dc[a:]
        low, high = self.slopes()
        change = np.where(dw > 0, low, high) * dw
        added = (dc + change) - SLACK * (np.abs(dc) + np.abs(change))
        # With an item taken, the room may be larger than that of any state: assume slope 0.
        limit = self.core.threshold(self.best.value, 0.0)
        alive = self.lowest() + added <= limit + self.envelope.allowance
        alive &= p.floor[a:] <= limit + self.core.envelope.allowance
        alive |= (dw == 0) & (dc == 0.0)
        self.counts["reduced"] += alive.size - int(alive.sum())
        self.pending, self.entered = p.keep(t, alive), 0
        self.envelope = self.core.outside(self.pending, self.far)
        self.refilter()

    def refilter(self) -> None:
        """Prune with the slopes of now, no class entering."""
        before = self.states.weight.size
        self.states.source = np.arange(before)
        self.prune()
        if self.states.weight.size < before:
            none = np.zeros(1, dtype=np.int64)
            self.record(Stage(-1, none, self.states.source, before))

    def record(self, stage: Stage) -> None:
        self.stages.append(stage)
        self.stored += stage.source.size

    def improve(self, stage: Stage) -> bool:
        """Make the last state that fits the incumbent when it is cheaper."""
        s = self.states
        at = int(np.searchsorted(s.weight, self.core.room, side="right")) - 1
        if at < 0:
            return False
        value = as_int(s.value, at)
        if value >= self.best.value:
            return False
        self.best = Incumbent(value, self.path(at, [*self.stages, stage]))
        return True

    def path(self, at: int, stages: list[Stage]) -> list[tuple[int, int]]:
        """Return ``(class, item)`` of the choices that lead to a state of the last stage."""
        moves = []
        for stage in reversed(stages):
            which, at = divmod(int(stage.source[at]), stage.before)
            if stage.cls >= 0:
                moves.append((stage.cls, int(stage.items[which])))
        return moves

    def slopes(self) -> tuple[float, float]:
        """Return the slopes of the envelope at the largest and smallest room of a state."""
        w, room = self.states.weight, self.core.room
        return self.envelope.slope_at(room - int(w[0])), self.envelope.slope_at(
            room - int(w[-1]) - 1
        )

    def bounds(self) -> NDArray[np.float64]:
        """Return each state's bound, rounded down."""
        value = to_real(self.states.value, self.core.unit)
        return self.envelope.bound(value, self.core.room - self.states.weight)

    def lowest(self) -> float:
        """Return a true lower bound on every solution that descends from a state."""
        return float(self.bounds().min()) - self.envelope.allowance

    def prune(self) -> None:
        """Drop the states whose bound is above the threshold."""
        weight, room = self.states.weight, self.core.room
        limit = self.core.threshold(self.best.value, self.envelope.slope_at(room - int(weight[0])))
        kept = self.bounds() <= limit + self.envelope.allowance
        # No state that fits is cheaper than the incumbent: with nothing to gain it is done, and
        # without free capacity there is nothing to gain unless slopes cross.
        if self.nothing_outside:
            kept[:] = False
        if not self.envelope.allowance:
            kept &= weight != room
        if not kept.all():
            self.states = self.states.take(np.flatnonzero(kept))

    def compact(self) -> None:
        """Throw away states of earlier stages from which no present state descends."""
        live = np.arange(self.states.weight.size)
        for stage in reversed(self.stages):
            which, parent = np.divmod(stage.source[live], stage.before)
            live = np.unique(parent)
            stage.source = which * live.size + np.searchsorted(live, parent)
            stage.before = max(1, live.size)
        self.stored = sum(stage.source.size for stage in self.stages)


def is_late(deadline: float | None) -> bool:
    """Whether the deadline has passed."""
    return deadline is not None and time.perf_counter() >= deadline


def reach(
    core: CoreProblem, deadline: float | None = None, state_limit: int | None = None
) -> SearchOutcome:
    """Search the core until it is exhausted or a limit is met.

    Args:
        core: classes in order of entry with their items, and an incumbent.
        deadline: ``time.perf_counter()`` at which to stop.
        state_limit: number of states made at which to stop.
    """
    search = _Search(core)
    search.prune()
    while not search.exhausted:
        if is_late(deadline):
            break
        if state_limit is not None and search.counts["states_total"] >= state_limit:
            break
        search.step()
    left = None if search.exhausted else search.lowest()
    return SearchOutcome(search.best, left, search.counts)
