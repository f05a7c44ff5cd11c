"""Congruences between weight and cost, and what they add to a linear bound.

With integer costs all differences ``(dw, dc)`` lie in a lattice of the plane, with a basis
``(g, h), (0, G)`` (Hermite normal form): every solution has weight ``W`` (relative to the break
solution) divisible by ``g`` and cost

    V = h W / g   (mod G).

A solution that leaves ``s`` units free (``W = room - s``) and beats the incumbent ``ub`` therefore
costs at most ``V(s)``, the largest number below ``ub`` in the residue class of ``s``; a state
whose bound is ``b`` with nothing left free can only be of use if ``b + slope * s <= V(s)`` for some
``s``. On strongly correlated instances (``-c = w + 10 j``) this rounds the bound to multiples of 10
where plain rounding gains 1, which is what makes them easy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TRIVIAL", "Lattice", "find_lattice"]

# Products of two residues must stay below 2**62.
_LARGEST = 1 << 31
_STEPS = 64


@dataclass(frozen=True)
class Lattice:
    """Basis ``(g, h), (0, G)`` with ``g, G >= 1`` and ``0 <= h < G``."""

    g: int
    h: int
    G: int

    def threshold(self, ub: int, room: int, slope: float) -> float:
        """Largest ``V(s) - slope * s`` over ``s = 0, g, 2 g, ...``: prune states above it.

        Args:
            ub: cost of the incumbent, in units.
            room: free capacity of the break solution, a multiple of ``g``.
            slope: cost per unit of weight left free, in units, >= 0.
        """
        best = -math.inf
        if self.G == 1:
            return float(ub - 1)
        for k in range(_STEPS):
            most = ub - 1 - slope * (k * self.g)
            if most <= best:
                return best
            value = ub - 1 - (ub - 1 - self.h * (room // self.g - k)) % self.G
            best = max(best, value - slope * (k * self.g))
        return max(best, ub - 1 - slope * (_STEPS * self.g))


TRIVIAL = Lattice(1, 0, 1)


def _insert(g: int, h: int, big: int, w: int, v: int) -> tuple[int, int, int]:
    """Add the vector ``(w, v)`` to the lattice; zeros stand for missing basis vectors."""
    while w:
        q = g // w
        g, h, w, v = w, v, g - q * w, h - q * v
    big = math.gcd(big, v)
    if g < 0:
        g, h = -g, -h
    return g, h % big if big else h, big


def find_lattice(dw: NDArray[np.int64], dc: NDArray[np.int64]) -> Lattice:
    """Return a lattice that holds all ``(dw, dc)``; a coarse one where it can be told quickly."""
    g = h = big = 0
    for w, v in zip(dw[:64].tolist(), dc[:64].tolist(), strict=True):
        g, h, big = _insert(g, h, big, w, v)
    if g and not big:
        h, big = 0, abs(h)
    while g and 1 < big < _LARGEST:
        steps = dw // g
        bad = (dw != steps * g) | ((dc - h * (steps % big)) % big != 0)
        if not bad.any():
            return Lattice(g, h, big)
        at = int(bad.argmax())
        g, h, big = _insert(g, h, big, int(dw[at]), int(dc[at]))
    return Lattice(max(1, int(np.gcd.reduce(dw))), 0, 1)
