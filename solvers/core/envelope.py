"""The best saving that classes outside the core can make of a free capacity, as a function of it.

With ``dw, dc`` relative to the break items, the linear relaxation over the classes that have not
entered saves at most

    F(x) = max { -sum dc : sum dw <= x },       a concave, piecewise linear function of x,

whose pieces are the hull steps of the classes: upward from the break items by decreasing slope for
``x > 0``, downward by increasing slope for ``x < 0``. A state with cost ``v`` and free capacity
``room`` therefore ends no cheaper than ``v - F(room)``. It bends where the two slopes next to the
break item do not, which matters when few classes differ widely in size.

Slopes are rounded outward: a computed slope is within 3 units in the last place (2**-53), and so is
each comparison that drops a point from the hull. Rounds of these are allowed for by eights, so that
the bounds of both kernels, which look at different points, are the same. Where an upward slope then
exceeds a downward one, their difference times the largest possible movement of weight is allowed
for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .relaxation import LEAST_SLOPE, lower_hull

__all__ = ["SLACK", "Envelope", "build_envelope"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Covers the rounding of a bound: a handful of operations of 2**-53 each.
SLACK = 2.0**-48
_ULP = 2.0**-53


@dataclass(frozen=True)
class Envelope:
    """``F`` as a table of segments.

    Attributes
    ----------
    knots
        Ends of the segments, increasing, shape (S - 1,).
    at, value
        Point of each segment nearest to 0, and ``F`` there, shape (S,).
    slope
        Slope of each segment, shape (S,), decreasing; ``NO_SLOPE`` and 0 at the ends when the
        steps are all there.
    slack
        Relative rounding of a saving.
    allowance
        What slopes that cross by rounding may add to a saving.
    """

    knots: Ints
    at: Ints
    value: Floats
    slope: Floats
    slack: float
    allowance: float

    def bound(self, value: Floats, room: Ints) -> Floats:
        """Return bounds ``value - F(room)``, less the rounding they may carry."""
        k = np.searchsorted(self.knots, room, side="right")
        head = self.value[k]
        tail = self.slope[k] * (room - self.at[k])
        noise = np.abs(value) + np.abs(head) + np.abs(tail)
        return (value - (head + tail)) - self.slack * noise

    def slope_at(self, room: int) -> float:
        """Return the slope right of ``room``."""
        return float(self.slope[np.searchsorted(self.knots, room, side="right")])


def build_envelope(
    ptr: Ints, dw: Ints, dc: Floats, tails: tuple[float, float], reach: float
) -> Envelope:
    """Return ``F`` of classes with items by increasing weight, the break item among them.

    Args:
        ptr: class bounds, shape (T + 1,).
        dw: weights relative to the break item, shape (m,).
        dc: costs relative to the break item, shape (m,).
        tails: of further classes, the least slope of a step down and the largest of a step up.
        reach: largest possible movement of weight.
    """
    cls = 2 * np.repeat(np.arange(ptr.size - 1), np.diff(ptr))
    # The break item ends the downward hull (even key) and begins the upward one (odd key).
    twice = np.repeat(np.arange(dw.size), 1 + (dw == 0))
    key = (cls + (dw > 0))[twice]
    key[1:] += twice[1:] == twice[:-1]
    hull, head, slope, step, rounds = lower_hull(key, dc[twice], dw[twice])
    up = (key[hull[head]] & 1).astype(bool)
    # Steps beyond the tails are never taken.
    down = ~up & (slope < tails[0])
    up &= slope > tails[1]
    return steps_to_envelope((slope[up], step[up]), (slope[down], step[down]), tails, reach, rounds)


def steps_to_envelope(
    upward: tuple[Floats, Ints],
    downward: tuple[Floats, Ints],
    tails: tuple[float, float],
    reach: float,
    rounds: int,
) -> Envelope:
    """Return ``F`` from slopes and weights of hull steps, slopes rounded to nearest.

    Args:
        upward: slopes and weights of steps from the break items up, in any order.
        downward: slopes and weights of steps down.
        tails: slopes of all further steps down (at least) and up (at most).
        reach: largest possible movement of weight.
        rounds: how often hull points were dropped.
    """
    (up, up_step), (down, down_step) = upward, downward
    outward = 64 * (rounds // 8 + 1) * _ULP
    up = up * (1.0 + outward) + LEAST_SLOPE
    down = np.maximum(down * (1.0 - outward) - LEAST_SLOPE, 0.0)
    first = max(tails[0] * (1.0 - outward) - LEAST_SLOPE, 0.0)
    last = tails[1] * (1.0 + outward) + LEAST_SLOPE if tails[1] else 0.0
    order = np.argsort(-up, kind="stable")
    up, up_step = up[order], up_step[order]
    order = np.argsort(down, kind="stable")
    down, down_step = down[order], down_step[order]
    right, left = _sums(up_step), _sums(down_step)
    gain, loss = _sums(up * up_step), _sums(down * down_step)
    crossing = max(0.0, float(up[0] if up.size else last) - float(down[0] if down.size else first))
    # Segments from the left: beyond all losses, the losses, the gains, beyond all gains.
    return Envelope(
        knots=np.concatenate((-left[:0:-1], right)),
        at=np.concatenate((-left[-1:], -left[-2::-1], right)),
        value=np.concatenate((-loss[-1:], -loss[-2::-1], gain)),
        slope=np.concatenate(([first], down[::-1], up, [last])),
        slack=SLACK + 2.0**-51 * (up.size + down.size),
        allowance=crossing * reach,
    )


def _sums(terms: Any) -> Any:
    """Sums of the first 0, 1, 2, ... terms."""
    return np.concatenate((np.zeros(1, dtype=terms.dtype), np.cumsum(terms)))
