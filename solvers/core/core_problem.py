"""The core problem: classes in order of entry, the items that may still be of use, thresholds."""

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
from .relaxation import Relaxation
from .sequence import entry_order

__all__ = ["CoreProblem", "Incumbent", "Pending", "as_int", "build_core"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pending:
    """Classes that have not entered, in order, with their items.

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
        high, low = self.dv
        return Pending(
            classes=self.classes[entered:][stays],
            ptr=np.concatenate(([0], np.cumsum(count[stays]))),
            item=self.item[at],
            dw=self.dw[at],
            dc=self.dc[at],
            dv=(high[at], None if low is None else low[at]),
            floor=self.floor[at],
        )


@dataclass(frozen=True)
class CoreProblem:
    """What the search starts from.

    Attributes
    ----------
    pending
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

    pending: Pending
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

    def outside(self, pending: Pending, entered: int) -> Envelope:
        """Return ``F`` of the classes that have not entered."""
        p, a = pending, int(pending.ptr[entered])
        return build_envelope(p.ptr[entered:] - a, p.dw[a:], p.dc[a:], self.reach)

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
    """Drop the items that the relaxation rules out and order the classes that are left.

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
    order, ptr, at = _ordered(classes, count, left, dw, dc)
    base = np.repeat(r.base[order], np.diff(ptr))
    met = (cost[at], cost[base], *changed(r, given, moves))
    unit = choose_unit(np.concatenate(met), size.size)
    dv = minus(fixed(cost[at], unit), fixed(cost[base], unit))
    if unit.limbs == 1:
        lattice = find_lattice(dw[at], dv[0])
    else:
        lattice = Lattice(max(1, int(np.gcd.reduce(dw[at]))), 0, 1)
    return CoreProblem(
        pending=Pending(order, ptr, r.item[at], dw[at], dc[at], dv, floor[at]),
        unit=unit,
        lattice=lattice,
        room=r.room // lattice.g * lattice.g,
        reach=first.reach,
        envelope=envelope,
        incumbent=exact_incumbent(r, given, moves, unit),
    )


def _ordered(
    classes: Ints, count: Ints, left: Ints, dw: Ints, dc: Floats
) -> tuple[Ints, Ints, Ints]:
    """Return the classes in order of entry, their bounds, and their items."""
    if not classes.size:
        return classes, np.zeros(1, dtype=np.int64), left
    first = np.cumsum(count) - count
    order = entry_order(dw[left], dc[left], first)
    ptr = np.concatenate(([0], np.cumsum(count[order])))
    at = np.repeat(first[order] - ptr[:-1], count[order]) + np.arange(ptr[-1])
    return classes[order], ptr, left[at]
