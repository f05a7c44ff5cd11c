"""Allocations to measure an optimum against: drawn at random within the same budget."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from bitknap.problems.errors import DataError

__all__ = ["random_allocation"]


def random_allocation(
    weights: Mapping[str, int], widths: Sequence[int], budget: int, seed: int
) -> dict[str, int]:
    """Draw bit-widths at random that keep a budget and leave no room in it.

    Every layer starts at the smallest width; a random layer then climbs to a random larger width,
    among all pairs of layer and width that still fit, until none does.

    Args:
        weights: number of weights n_l of every layer.
        widths: bit-widths b to choose from.
        budget: limit of ``sum_l n_l b_l``, in bits.
        seed: seed of the draw; equal arguments give equal allocations.

    Returns:
        Layer -> bits, in the order of `weights`.

    Raises:
        DataError: even the smallest width does not fit.
    """
    choices = sorted(set(widths))
    allocation = dict.fromkeys(weights, choices[0])
    left = budget - choices[0] * sum(weights.values())
    if left < 0:
        raise DataError(
            f"a budget of {budget:,} bits is too small: {choices[0]} bits a weight take "
            f"{budget - left:,}"
        )
    source = random.Random(seed)
    while upgrades := _upgrades(weights, choices, allocation, left):
        layer = source.choice(list(upgrades))
        bits = source.choice(upgrades[layer])
        left -= weights[layer] * (bits - allocation[layer])
        allocation[layer] = bits
    return allocation


def _upgrades(
    weights: Mapping[str, int], choices: Sequence[int], allocation: Mapping[str, int], left: int
) -> dict[str, list[int]]:
    """Larger widths that fit into what is left, for every layer that has one."""
    fitting = {
        layer: [b for b in choices if b > bits and weights[layer] * (b - bits) <= left]
        for layer, bits in allocation.items()
    }
    return {layer: widths for layer, widths in fitting.items() if widths}
