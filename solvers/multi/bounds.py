"""True lower bounds of states from a bundle of prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import Floats, Ints, Mask, Model

_FACTORS = (0.0, 0.5, 0.9, 1.1, 2.0)


def prices_around(price: Floats) -> Floats:
    """(M, K) the price, and copies with one or all of its entries smaller or larger.

    States that used more or less than their share so far have their best bounds there.
    """
    rows = [price]
    positive = np.flatnonzero(price > 0.0)
    for factor in _FACTORS:
        if positive.size > 1:
            rows.append(price * factor)
        for k in positive:
            row = price.copy()
            row[k] *= factor
            rows.append(row)
    return np.array(rows)


@dataclass(frozen=True)
class Bundle:
    """Bounds from M prices for the states of an ordered model.

    A state that has chosen in the first t classes, with cost c and usage w, costs whatever it
    chooses in the others at least, for every price u >= 0 per unit of weight:

        c + u . (w - residual) + sum_{i >= t} min_j (c_ij + u . w_ij)

    and at least c, for costs count from the class minima.
    In float64 a sum of that many terms is off by at most ``terms * 2^-52`` times the sum of
    their largest magnitudes. ``tail`` holds all but ``c + u . w``, that much lowered, so that the
    bound is true as computed.
    """

    price: Floats
    tail: Floats

    def bound(self, stage: int, cost: Floats, usage: Ints) -> Floats:
        """(N,) bounds of states with the given costs and (K, N) usages."""
        rows = self.price @ usage.astype(np.float64)
        rows += self.tail[stage][:, None]
        least: Floats = np.maximum(rows.max(axis=0), 0.0) + cost
        return least

    def joined(self, other: Bundle, most: int) -> Bundle:
        """Both bundles; beyond ``most`` prices the oldest but the first go."""
        price = np.vstack((self.price, other.price))
        tail = np.hstack((self.tail, other.tail))
        drop = slice(1, 1 + max(0, len(price) - most))
        return Bundle(np.delete(price, drop, axis=0), np.delete(tail, drop, axis=1))


def build_bundle(model: Model, shares: Floats, spent: float = 0.0) -> Bundle:
    """The bundle of (M, K) prices per share of residual capacity for a model's classes in order.

    Args:
        spent: magnitude of what the states have chosen before the first class.
    """
    price = shares / np.maximum(model.residual, 1)
    charge = shares @ model.share
    count = model.sizes.size
    tail = np.zeros((count + 1, len(shares)))
    largest = np.zeros((count + 1, len(shares)))
    if count:
        least = np.minimum.reduceat(model.cost + charge, model.first, axis=1)
        tail[:-1] = np.cumsum(least.T[::-1], axis=0)[::-1]
        magnitude = np.maximum.reduceat(model.cost + charge, model.first, axis=1).sum(axis=1)
        largest += magnitude
    largest += 2.0 * shares.sum(axis=1) + spent
    terms = count + 4 * len(model.residual) + 16
    return Bundle(
        price, tail - price @ model.residual.astype(np.float64) - terms * 2.0**-52 * largest
    )


def useful_items(model: Model, shares: Floats, threshold: float) -> tuple[Mask, float]:
    """Items that a choice of cost at most a threshold may use, and the best bound of all choices.

    An item raises the dual value D(u) by its reduced cost at least: pegging.
    """
    priced = model.cost + shares @ model.share
    least = np.minimum.reduceat(priced, model.first, axis=1)
    bundle = build_bundle(model, shares)
    dual = bundle.tail[0]
    reduced = priced - np.repeat(least, model.sizes, axis=1)
    mask: Mask = (reduced + dual[:, None] <= threshold).all(axis=0)
    return mask, float(dual.max())
