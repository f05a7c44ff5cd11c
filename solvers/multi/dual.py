"""Prices that maximise the Lagrangian dual, by column generation with a basis of K + 1."""

from __future__ import annotations

import numpy as np

from .model import Floats, Ints, Model

_TINY = 1e-12


class Dual:
    """The dual function of some classes, for any residual capacity.

    With prices u >= 0 of the resources (per share of the residual capacity):

        D(u) = sum_i min_j (c_ij + u . a_ij) - u . residual

    Args:
        most: a price level that no useful choice reaches, above the cost of every choice.
    """

    def __init__(self, model: Model, most: float) -> None:
        self.most, self.stage = most, 0
        self.rows = np.vstack((model.share, model.cost))
        self.ptr, self.class_of = model.ptr, model.class_of
        self.start_at(0)

    def start_at(self, stage: int) -> None:
        """Restrict the function to the classes from a stage on."""
        a = int(self.ptr[stage])
        self.open_rows = self.rows[:, a:]
        self.first = self.ptr[stage:-1] - a
        self.open_class = self.class_of[a:] - stage

    def cheapest(self, price: Floats) -> Ints:
        """The item of least priced cost in each class, the first of equals."""
        priced = np.concatenate((price, (1.0,))) @ self.open_rows
        least = np.minimum.reduceat(priced, self.first)
        hit: Ints = (priced == least[self.open_class]).nonzero()[0]
        if hit.size == least.size:
            return hit
        items: Ints = hit[np.searchsorted(hit, self.first)]
        return items

    def maximise(
        self, residual: Floats, start: Floats, target: float, tolerance: float, iterations: int
    ) -> tuple[Floats, int]:
        """Prices near the maximum of D, and the number of iterations.

        The maximum is the linear relaxation, whose Dantzig-Wolfe form has a column (c(x), a(x))
        for each choice x and only K + 1 rows: the resources and the convexity row. The revised
        simplex method starts from one choice with slacks (or, where it exceeds the capacity,
        artificials of cost ``most``); the column that prices out best is the choice that is
        cheapest at the current prices.

        Args:
            residual: (K,) shares left.
            tolerance: stop when the relaxation is within this share of its distance from 0.

        References:
            G. Dantzig, P. Wolfe, Operations Research 8 (1960), 101-111.
        """
        count = residual.size
        column, cost = self._column(start)
        sign = np.where(column[:-1] <= residual, 1.0, -1.0)
        basis = np.diag(np.append(sign, 1.0))
        basis[:-1, -1] = column[:-1]
        costs = np.append(np.where(sign > 0.0, 0.0, self.most), cost)
        inverse = np.linalg.inv(basis)
        level = inverse @ np.append(residual, 1.0)
        best, best_value = start, cost + float(start @ (column[:-1] - residual))
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
                value = cost + float(price @ (column[:-1] - residual))
                if value > best_value:
                    best, best_value = price, value
                above = float(costs @ level)
                if value >= target or above - best_value <= tolerance * abs(above):
                    break
            rate = inverse @ column
            out, step = _leaving(level.tolist(), rate.tolist())
            if out < 0:
                break
            level -= step * rate
            level[out] = step
            inverse[out] /= rate[out]
            rate[out] = 0.0
            inverse -= rate[:, None] * inverse[out]
            costs[out] = cost
        return best, done

    def _column(self, price: Floats) -> tuple[Floats, float]:
        """Usage of the cheapest choice, then 1 for the convexity row; and its cost."""
        column = self.open_rows[:, self.cheapest(price)].sum(axis=1)
        cost = float(column[-1])
        column[-1] = 1.0
        return column, cost


def _leaving(level: list[float], rate: list[float]) -> tuple[int, float]:
    """The basic variable that reaches zero first, and how far that is; -1 when none does."""
    out, least = -1, np.inf
    for k, (value, slope) in enumerate(zip(level, rate, strict=True)):
        if slope > _TINY and max(value, 0.0) < least * slope:
            out, least = k, max(value, 0.0) / slope
    return out, least
