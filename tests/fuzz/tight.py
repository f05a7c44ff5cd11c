"""Instances whose capacity is just under the usage of an attractive choice, with large weights.

What exceeds the capacity does so by a millionth to a billionth of it: less than the tolerances of
floating-point back-ends.
"""

from __future__ import annotations

import math

import numpy as np

from bitknap.problems import Instance, build_instance

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


def tight_instance(seed: int) -> Instance:
    """Prime powers, or plain random items, with weights of 10^6 to 10^11; one unit is missing."""
    rng = np.random.default_rng([seed, 2])
    scale = 10 ** int(rng.integers(6, 12))
    make = (_logarithms, _proportional, _unrelated, _layers)[seed % 4]
    classes = make(rng, scale)
    chosen = [min(range(len(items)), key=lambda j: items[j][0]) for items in classes]
    for i in range(len(classes)):
        # Not the cheapest of all, which would leave nothing to choose.
        if rng.random() < 0.5:
            chosen[i] = int(rng.integers(len(classes[i])))
    usage = sum(items[j][1] for items, j in zip(classes, chosen, strict=True))
    least = sum(min(w for _, w in items) for items in classes)
    capacity = max(usage - int(rng.integers(1, 4)), least)
    return build_instance(classes, capacity, name=f"tight {make.__name__[1:]} {seed}")


Classes = list[list[tuple[float, int]]]


def _logarithms(rng: np.random.Generator, scale: int) -> Classes:
    """Powers of primes: cost -k log2(p), weight k log2(p) rounded up."""
    classes = []
    for p in rng.choice(_PRIMES, int(rng.integers(3, 7)), replace=False).tolist():
        powers = range(int(rng.integers(2, 5)))
        sizes = [k * math.log2(p) for k in powers]
        classes.append([(-size, math.ceil(size * scale)) for size in sizes])
    return classes


def _proportional(rng: np.random.Generator, scale: int) -> Classes:
    """Cost falls by the weight, but for a part in 10^9."""
    classes = []
    for _ in range(int(rng.integers(4, 10))):
        weights = rng.integers(0, 10 * scale, int(rng.integers(2, 5))).tolist()
        classes.append([(-w / scale * (1 + 1e-9 * rng.random()), w) for w in weights])
    return classes


def _unrelated(rng: np.random.Generator, scale: int) -> Classes:
    return [
        [(float(rng.random()), int(rng.integers(scale, 100 * scale))) for _ in range(4)]
        for _ in range(int(rng.integers(4, 16)))
    ]


def _layers(rng: np.random.Generator, scale: int) -> Classes:
    """Layers of a network: bits times a size, damage 4^-bits."""
    classes = []
    for _ in range(int(rng.integers(5, 20))):
        size, damage = int(scale * 10 ** rng.uniform(-2, 0.5)) + 1, float(rng.random())
        classes.append([(damage * 4.0**-b, size * b) for b in (2, 4, 8)])
    return classes
