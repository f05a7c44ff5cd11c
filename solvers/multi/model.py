"""What the search works on: exact costs above the class minima, weights above the lightest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import Instance, undominated

from .fixed_point import Exact, Unit, choose_unit, fixed, minus, take, to_real

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """Classes whose every item fits beside the lightest items of the others.

    Args:
        item: position of each item in the instance, shape (n,).
        owner: class of the instance of each class here, shape (L,).
        ptr: class i holds items ``ptr[i]:ptr[i + 1]``, shape (L + 1,).
        value: costs above the minimum of the class, exact integers in units of the
            instance's costs.
        cost: the same as floats, scaled by a power of two so that the largest is near 1, (n,).
        weight: weights above the lightest of the class, shape (K, n).
        residual: capacities above the lightest usages, shape (K,).
        exponent: ``cost == value * 2**exponent``.
        unit: unit of ``value`` in the instance's costs.
    """

    item: Ints
    owner: Ints
    ptr: Ints
    value: Exact
    cost: Floats
    weight: Ints
    residual: Ints
    exponent: int
    unit: Unit

    @cached_property
    def first(self) -> Ints:
        """First item of each class."""
        return self.ptr[:-1]

    @cached_property
    def sizes(self) -> Ints:
        """Items of each class."""
        return np.diff(self.ptr)

    @cached_property
    def class_of(self) -> Ints:
        """Class of each item."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    @cached_property
    def share(self) -> Floats:
        """(K, n) weights as shares of the residual capacity; the residual capacity itself is 1."""
        shares: Floats = self.weight / np.maximum(self.residual, 1)[:, None]
        return shares

    @cached_property
    def most(self) -> int:
        """An exact cost that no choice exceeds."""
        if self.value[1] is None:
            return sum(np.maximum.reduceat(self.value[0], self.first).tolist())
        # With two limbs, the largest high limb and a low limb below 2^61 bound the cost.
        return sum(
            (int(h) << 62) + (1 << 61) for h in np.maximum.reduceat(self.value[0], self.first)
        )

    @cached_property
    def step(self) -> int:
        """A divisor of every cost, so that a better choice is better by at least as much."""
        if self.value[1] is None and self.unit.limbs == 1:
            return max(1, int(np.gcd.reduce(self.value[0])))
        return 1

    def real(self, value: int) -> float:
        """An exact cost as the scaled float, rounded to nearest."""
        if self.exponent >= 0:
            return float(value << self.exponent)
        return value / (1 << -self.exponent)

    def keep(self, mask: Mask) -> Model | None:
        """The model of the items that stay, or None when a class would be empty."""
        sizes = np.add.reduceat(mask.astype(np.int64), self.first)
        if not sizes.all():
            return None
        return replace(
            self,
            item=self.item[mask],
            ptr=np.concatenate(([0], np.cumsum(sizes))),
            value=take(self.value, mask),
            cost=self.cost[mask],
            weight=self.weight[:, mask],
        )

    def fitting(self) -> Model | None:
        """Weights counted from the lightest, items that cannot fit dropped, until none is left.

        None when no choice fits.
        """
        model = self
        while True:
            lightest = np.minimum.reduceat(model.weight, model.first, axis=1)
            residual = model.residual - lightest.sum(axis=1)
            if (residual < 0).any():
                return None
            weight = model.weight - np.repeat(lightest, model.sizes, axis=1)
            model = replace(model, weight=weight, residual=residual)
            fits = (weight <= residual[:, None]).all(axis=0)
            if fits.all():
                return model
            kept = model.keep(fits)
            if kept is None:
                return None
            model = kept

    def ordered(self, classes: Ints) -> Model:
        """The model of some classes in the given order."""
        sizes = self.sizes[classes]
        ptr = np.concatenate(([0], np.cumsum(sizes)))
        index = np.arange(ptr[-1]) + np.repeat(self.ptr[classes] - ptr[:-1], sizes)
        return replace(
            self,
            item=self.item[index],
            owner=self.owner[classes],
            ptr=ptr,
            value=take(self.value, index),
            cost=self.cost[index],
            weight=self.weight[:, index],
        )


def build_model(instance: Instance) -> Model | None:
    """The undominated items that fit, or None when a class has none."""
    keep = np.flatnonzero(undominated(instance))
    sizes = np.bincount(instance.class_of[keep], minlength=len(instance))
    ptr = np.concatenate(([0], np.cumsum(sizes)))
    cost = instance.cost[keep]
    unit = choose_unit(instance.cost, 4 * len(instance))
    exact = fixed(cost, unit)
    value = minus(exact, _least(exact, cost, ptr, sizes))
    floats = to_real(value, Unit(0, unit.limbs)) if unit.limbs else None
    exponent = _exponent(value, floats)
    scaled = to_real(value, Unit(exponent, unit.limbs))
    model = Model(
        item=keep,
        owner=np.arange(len(instance)),
        ptr=ptr,
        value=value,
        cost=scaled,
        weight=instance.weight[:, keep],
        residual=instance.capacity,
        exponent=exponent,
        unit=unit,
    )
    return model.fitting()


def _least(exact: Exact, cost: Floats, ptr: Ints, sizes: Ints) -> Exact:
    """The exact minimum of each class, repeated for its items."""
    least = np.repeat(np.minimum.reduceat(cost, ptr[:-1]), sizes)
    at = np.flatnonzero(cost == least)
    first = np.repeat(at[np.searchsorted(at, ptr[:-1])], sizes)
    return take(exact, first)


def _exponent(value: Exact, floats: Floats | None) -> int:
    """The power of two that brings the largest value to between 1/2 and 1."""
    if floats is None:
        return -max(int(v).bit_length() for v in value[0])
    return -int(np.frexp(floats.max())[1])
