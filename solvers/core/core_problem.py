"""The core problem: classes, the items that may still be of use, thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .envelope import SLACK, Envelope, build_envelope
from .first import First
from .fixed_point import Exact, Unit, as_int, choose_unit, fixed, minus
from .incumbent import Incumbent, changed, exact_incumbent
from .lattice import Lattice, find_lattice
from .relaxation import NO_SLOPE, Relaxation
from .sequence import next_classes, slopes

__all__ = ["CoreProblem", "Far", "Incumbent", "Pending", "as_int", "build_core"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pending:
    """Classes that have not entered, with their items.

    Attributes
    ----------
    classes
        Class indices, shape (T,).
    ptr
        Class ``t`` owns items ``ptr[t]:ptr[t + 1]``.
    item
        Items of the instance.
    dw, dc, dv
        Weight, cost, and exact cost relative to the break item.
    floor
        Lower bound on the cost of any solution with this item, from the relaxation.
    """

    classes: Ints
    ptr: Ints
    item: Ints
    dw: Ints
    dc: Floats
    dv: Exact
    floor: Floats

    def keep(self, entered: int, alive: NDArray[np.bool_]) -> Pending:
        """Drop the classes that have entered, the items not alive, and classes left with one.

        Args:
            entered: number of classes that have entered.
            alive: which items from ``ptr[entered]`` on stay.
        """
        start = int(self.ptr[entered])
        first = self.ptr[entered:-1] - start
        count = np.add.reduceat(alive, first, dtype=np.int64)
        stays = count > 1
        at = np.flatnonzero(alive & np.repeat(stays, np.diff(self.ptr[entered:]))) + start
        return self._of(self.classes[entered:][stays], count[stays], at)

    def take(self, order: Ints) -> Pending:
        """Return the classes at some positions, in that order."""
        size = np.diff(self.ptr)[order]
        before = np.cumsum(size) - size
        at = np.repeat(self.ptr[order] - before, size) + np.arange(int(size.sum()))
        return self._of(self.classes[order], size, at)

    def _of(self, classes: Ints, size: Ints, at: Ints) -> Pending:
        high, low = self.dv
        return Pending(
            classes=classes,
            ptr=np.concatenate(([0], np.cumsum(size))),
            item=self.item[at],
            dw=self.dw[at],
            dc=self.dc[at],
            dv=(high[at], None if low is None else low[at]),
            floor=self.floor[at],
        )


@dataclass(frozen=True)
class Far:
    """Classes whose turn has not come: their items, ``up`` and ``down``, lowest bound of one."""

    pending: Pending
    up: Floats
    down: Floats
    least: Floats

    @classmethod
    def of(cls, pending: Pending) -> Far:
        """Measure the classes."""
        p, first = pending, pending.ptr[:-1]
        if not first.size:
            return cls(p, np.empty(0), np.empty(0), np.empty(0))
        floor = np.where(p.dw == 0, np.inf, p.floor)
        return cls(p, *slopes(p.dw, p.dc, first), np.minimum.reduceat(floor, first))

    def tails(self) -> tuple[float, float]:
        """Return the least slope of a step down and the largest of a step up."""
        return float(self.down.min(initial=NO_SLOPE)), float(self.up.max(initial=0.0))

    def split(self, limit: float) -> tuple[Pending, Far]:
        """Return the classes whose turn is next, and the others that are of use."""
        left = np.flatnonzero(self.least <= limit)
        order = left[next_classes(self.up[left], self.down[left])]
        rest = np.setdiff1d(left, order, assume_unique=True)
        picked = self.pending.take(order)
        if order.size:
            alive = (picked.floor <= limit) | (picked.dw == 0)
            picked = picked.keep(0, alive)
        return picked, Far(
            self.pending.take(rest), self.up[rest], self.down[rest], self.least[rest]
        )


@dataclass(frozen=True)
class CoreProblem:
    """What the search starts from.

    Attributes
    ----------
    far
        The classes that may leave their break item in a better solution.
    unit
        Unit of the exact costs.
    lattice
        Congruences that all pending items obey.
    room
        Free capacity of the break solution, rounded down to what weights can fill.
    reach
        Sum over all classes of heaviest less lightest undominated item.
    envelope
        ``F`` of all classes.
    incumbent
        The break solution after the greedy completion.
    """

    far: Far
    unit: Unit
    lattice: Lattice
    room: int
    reach: float
    envelope: Envelope
    incumbent: Incumbent

    def zero(self) -> Exact:
        """Return the exact cost of the break solution, 0."""
        dtype = object if self.unit.limbs == 0 else np.int64
        low = np.zeros(1, dtype=np.int64) if self.unit.limbs == 2 else None
        return np.zeros(1, dtype=dtype), low

    def outside(self, pending: Pending, far: Far) -> Envelope:
        """Return ``F`` of the classes that have not entered."""
        return build_envelope(pending.ptr, pending.dw, pending.dc, far.tails(), self.reach)

    def threshold(self, ub: int, slope: float) -> float:
        """Return the bound above which a state is of no use, rounded up.

        Args:
            ub: cost of the incumbent, in units.
            slope: least slope of ``F`` at the room of any state.
        """
        limit = real(ub, self.unit)
        if self.unit.limbs == 1:
            e = self.unit.exponent
            # Costs stay below 2**62 units: a steeper slope rounds nothing off.
            units = math.ldexp(min(slope, math.ldexp(1.0, e + 64)), -e)
            limit = math.ldexp(self.lattice.threshold(ub, self.room, units), e)
        return limit + SLACK * abs(limit)


def real(value: int, unit: Unit) -> float:
    """Return a cost in units as a float, to within 2**-52."""
    shift = max(0, value.bit_length() - 64)
    return math.ldexp(float(value >> shift), unit.exponent + shift)


def build_core(
    relaxation: Relaxation, first: First, cost: Floats, weight: Ints, given: Floats
) -> CoreProblem:
    """Drop the items that the relaxation rules out.

    An item is ruled out when its class's deviation alone lifts the bound above the incumbent
    (Dudzinski and Walukiewicz 1987).

    Args:
        relaxation: the break solution.
        first: its bound and the first incumbent.
        cost: costs of the instance.
        weight: weights of the instance.
        given: costs that the incumbent's items are priced at.
    """
    r, envelope, moves = relaxation, first.envelope, first.moves
    cost, weight = cost[r.item], weight[r.item]
    size = np.diff(r.offsets)
    dw = weight - np.repeat(weight[r.base], size)
    dc = cost - np.repeat(cost[r.base], size)
    limit = first.gain + SLACK * first.noise + envelope.allowance
    floor = envelope.bound(dc, r.room - dw)
    alive = floor <= limit
    alive[r.base] = True
    count = np.add.reduceat(alive, r.offsets[:-1], dtype=np.int64)
    left = np.flatnonzero(alive & np.repeat(count > 1, size))
    classes, count = np.flatnonzero(count > 1), count[count > 1]
    base = np.repeat(r.base[classes], count)
    met = (cost[left], cost[base], *changed(r, given, moves))
    unit = choose_unit(np.concatenate(met), size.size)
    dv = minus(fixed(cost[left], unit), fixed(cost[base], unit))
    dw, dc = dw[left], dc[left]
    if unit.limbs == 1:
        lattice = find_lattice(dw, dv[0])
    else:
        lattice = Lattice(max(1, int(np.gcd.reduce(dw))), 0, 1)
    ptr = np.concatenate(([0], np.cumsum(count)))
    return CoreProblem(
        far=Far.of(Pending(classes, ptr, r.item[left], dw, dc, dv, floor[left])),
        unit=unit,
        lattice=lattice,
        room=r.room // lattice.g * lattice.g,
        reach=first.reach,
        envelope=envelope,
        incumbent=exact_incumbent(r, given, moves, unit),
    )
