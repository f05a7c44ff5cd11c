"""Small random instances whose numbers are as far apart, or as near, as float64 and int64 allow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bitknap.problems import Instance, build_instance

Cost = Callable[[np.random.Generator], float]

_FAR = [0.0, 1.0, 3.0, 1e-20, 1e17, -1e17, 1e20, -1e20, 5e-324, -1.0, 0.1]
COSTS: dict[str, Cost] = {
    "powers of ten": lambda rng: 10.0 ** rng.uniform(-323, 300) * rng.choice([1.0, -1.0]),
    "far apart": lambda rng: float(rng.choice(_FAR)),
    "among 1e16": lambda rng: 1e16 + 2.0 * float(rng.integers(0, 6000)),
    "about 1": lambda rng: 1.0 + float(rng.integers(0, 5)) * 2.0**-52,
    "subnormal": lambda rng: float(rng.integers(-40, 40)) * 5e-324,
    "ends of float64": lambda rng: float(rng.choice([1e307, -1e307, 5e-324, 1e-310, 1.0])),
    "tenths": lambda rng: float(rng.integers(-30, 30)) / 10.0,
    "plain": lambda rng: float(rng.normal()),
    "seventeen orders": lambda rng: 10.0 ** rng.uniform(-17, 0),
    "powers of two": lambda rng: math.ldexp(1.0, int(rng.integers(-80, 80))),
}
KINDS = tuple(COSTS)
_TOPS = [2, 4, 12, 1000, 10**6, 10**9, 1 << 40, 1 << 58]


def extreme_instance(seed: int, resources: int = 1) -> Instance:
    """One to six classes of one to six items; the capacity stands at, or next to, a choice's usage.

    In some, items weigh more than any capacity leaves, and are the cheapest by far.
    """
    rng = np.random.default_rng([seed, resources, 21])
    kind = KINDS[seed % len(KINDS)]
    cost, top = COSTS[kind], int(rng.choice(_TOPS))
    classes: list[list[tuple[float, list[int]]]] = []
    for _ in range(int(rng.integers(1, 7))):
        items = [
            (cost(rng), rng.integers(0, top, resources).tolist())
            for _ in range(int(rng.integers(1, 7 if resources == 1 else 5)))
        ]
        if rng.random() < 0.1:
            items.append((items[0][0], items[0][1]))
        classes.append(items)
    usage = [
        sum(column)
        for column in zip(*(items[rng.integers(len(items))][1] for items in classes), strict=True)
    ]
    capacity = [max(0, u + int(rng.choice([0, 0, -1, 1, top // 2]))) for u in usage]
    if rng.random() < 0.3:
        never = [limit + 1 for limit in capacity]
        classes[0].append((float(rng.choice([-1e20, -1e300, 1e300, -1e-320])), never))
    return build_instance(classes, capacity, name=f"{kind} {seed}")
