"""Allocations to measure an optimum against: drawn at random within the same budget."""

from __future__ import annotations

import random

import numpy as np

from bitknap.problems import Instance, IntArray, merge_ties
from bitknap.problems.errors import InfeasibleError
from bitknap.solvers.local import lightest


def random_choice(instance: Instance, seed: int) -> IntArray:
    """Draw a random choice that keeps every budget and tie, and in which no heavier item fits.

    Every class starts at its lightest item; a random class then climbs to a random heavier item,
    among all pairs of class and item that still fit, until none does. What a policy has decided
    is part of the instance, so that the draw keeps it as an optimum does.

    Args:
        instance: only its weights, capacities and ties matter.

    Returns:
        (L,) positions within the classes.

    Raises:
        InfeasibleError: even the lightest items do not fit.
    """
    merged = merge_ties(instance)
    free = merged.instance
    at = free.positions(lightest(free))
    source = random.Random(seed)
    while True:
        residual = free.capacity - free.weight[:, at].sum(axis=1)
        if (residual < 0).any():
            k = int(np.argmax(residual < 0))
            raise InfeasibleError(
                f"the lightest choice of {instance.name!r} uses "
                f"{free.capacity[k] - residual[k]:,} of "
                f"{free.resources[k]}, above the capacity {free.capacity[k]:,}"
            )
        rise = free.weight - free.weight[:, at[free.class_of]]
        heavier = (rise >= 0).all(axis=0) & (rise > 0).any(axis=0)
        items = np.flatnonzero(heavier & (rise <= residual[:, None]).all(axis=0))
        if not items.size:
            return merged.expand(at - free.offsets[:-1])
        owner = free.class_of[items]
        chosen = source.choice(np.unique(owner).tolist())
        at[chosen] = source.choice(items[owner == chosen].tolist())
