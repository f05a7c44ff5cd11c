"""The least size of a given number of bits of codes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import lower_hull

Integers = NDArray[np.int64]


def least_size(codes: Integers, sizes: Integers, offsets: Integers, least: int) -> int:
    """A size in bits that every plan with ``least`` bits of codes or more has.

    The smallest of the linear relaxation, rounded up: layers start at their smallest items and
    take steps along their lower hulls, those with the least size per bit of codes first. With
    fewer codes in all layers together it is what the most codes take, and the missing bits.

    Args:
        sizes: (n,) bits in all.
    """
    total, reached = 0, 0
    steps: list[tuple[Fraction, int, int]] = []
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        layer_codes, size = codes[start:stop], sizes[start:stop]
        # More codes are worth more: the hull of the size over the codes that are left out.
        hull = lower_hull(size.astype(np.float64), layer_codes.max() - layer_codes)[::-1]
        total += int(size[hull[0]])
        reached += int(layer_codes[hull[0]])
        for a, b in zip(hull[:-1].tolist(), hull[1:].tolist(), strict=True):
            more, added = int(layer_codes[b] - layer_codes[a]), int(size[b] - size[a])
            steps.append((Fraction(added, more), more, added))
    for rate, more, added in sorted(steps):
        if reached >= least:
            break
        taken = min(more, least - reached)
        reached += taken
        total = total + (added if taken == more else math.ceil(rate * taken))
    return total + max(0, least - reached)
