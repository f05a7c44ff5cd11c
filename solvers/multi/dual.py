"""Prices that maximise the Lagrangian dual, by column generation with a basis of K + 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import Floats, Ints

_TINY = 1e-12


@dataclass(frozen=True)
class Dual:
    """The dual function of some classes, for any room.

    With prices u >= 0 of the resources (per share of the room)::

        D(u) = sum_i min_j (c_ij + u . a_ij) - u . room

    Args:
        cost: (n,) costs >= 0.
        share: (K, n) weights as shares.
        first: first item of each class.
        most: a price level that no useful choice reaches, above the cost of every choice.
    """

    cost: Floats
    share: Floats
    first: Ints
    most: float

    def cheapest(self, price: Floats) -> Ints:
        """The item of least priced cost in each class, the first of equals."""
        priced = self.cost + price @ self.share
        least = np.minimum.reduceat(priced, self.first)
        sizes = np.diff(np.append(self.first, priced.size))
        hit = np.flatnonzero(priced == np.repeat(least, sizes))
        items: Ints = hit[np.searchsorted(hit, self.first)]
        return items

    def maximise(
        self, room: Floats, start: Floats, target: float, tolerance: float, iterations: int
    ) -> tuple[Floats, int]:
        """Prices near the maximum of D, and the number of iterations.

        The maximum is the linear relaxation, whose Dantzig-Wolfe form has a column (c(x), a(x))
        for each choice x and only K + 1 rows: the resources and the convexity row. The revised
        simplex method starts from one choice with slacks (or, where it exceeds the room,
        artificials of cost ``most``); the column that prices out best is the choice that is
        cheapest at the current prices.

        Args:
            room: (K,) shares left.
            start: (K,) prices to begin with.
            target: stop when D reaches it.
            tolerance: stop when the relaxation is within this share of its distance from 0.
            iterations: stop after as many.

        References:
            G. Dantzig, P. Wolfe, Operations Research 8 (1960), 101-111.
        """
        count = room.size
        column, cost = self._column(start)
        sign = np.where(column[:-1] <= room, 1.0, -1.0)
        basis = np.diag(np.append(sign, 1.0))
        basis[:-1, -1] = column[:-1]
        costs = np.append(np.where(sign > 0.0, 0.0, self.most), cost)
        inverse = np.linalg.inv(basis)
        level = inverse @ np.append(room, 1.0)
        best, best_value = start, cost + float(start @ (column[:-1] - room))
        done = 0
        while done < iterations:
            done += 1
            dual = costs @ inverse
            k = int(np.argmax(dual[:count]))
            if dual[k] > _TINY * (1.0 + abs(dual[-1])):
                column, cost = np.zeros(count + 1), 0.0
                column[k] = 1.0
            else:
                price = np.maximum(-dual[:count], 0.0)
                column, cost = self._column(price)
                value = cost + float(price @ (column[:-1] - room))
                if value > best_value:
                    best, best_value = price, value
                above = float(costs @ level)
                if value >= target or above - best_value <= tolerance * abs(above):
                    break
            rate = inverse @ column
            steps = np.where(rate > _TINY, np.maximum(level, 0.0), np.inf)
            steps /= np.where(rate > _TINY, rate, 1.0)
            out = int(np.argmin(steps))
            if not np.isfinite(steps[out]):
                break
            level -= steps[out] * rate
            level[out] = steps[out]
            inverse[out] /= rate[out]
            rate[out] = 0.0
            inverse -= np.outer(rate, inverse[out])
            costs[out] = cost
        return best, done

    def _column(self, price: Floats) -> tuple[Floats, float]:
        at = self.cheapest(price)
        return np.append(self.share[:, at].sum(axis=1), 1.0), float(self.cost[at].sum())
