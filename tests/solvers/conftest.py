"""Instances that every solver must handle, and the obvious reference."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np

from bitknap.problems import Instance, build_instance
from bitknap.solvers import SOLVERS

from ..reference import brute_force


def installed(name: str) -> bool:
    """Whether a solver's packages are installed."""
    return all(find_spec(package) is not None for package in SOLVERS.load(name).requires)


def optimum(instance: Instance) -> float:
    """The least cost of a feasible choice, correctly rounded; inf when there is none."""
    found = brute_force(instance)
    return math.inf if found is None else float(found[0])


COSTS = (
    "integers",
    "twelve orders",
    "tiny",
    "mixed signs",
    "ties and zeros",
    "large",
    "any order",
    "smallest",
)


def random_instance(seed: int, costs: str | None = None, resources: int = 1) -> Instance:
    """A small random instance; its capacity is anything from the minimum to the maximum."""
    rng = np.random.default_rng([seed, resources])
    kind = costs or COSTS[seed % len(COSTS)]

    def cost() -> float:
        return {
            "integers": lambda: float(rng.integers(0, 50)),
            "twelve orders": lambda: float(10.0 ** rng.uniform(-12, 0)),
            "tiny": lambda: float(rng.random() * 1e-12),
            "mixed signs": lambda: float(rng.normal()),
            "ties and zeros": lambda: float(rng.integers(0, 3)),
            "large": lambda: float(rng.random() * 1e12),
            "any order": lambda: float(10.0 ** rng.uniform(-324, 0)),
            "smallest": lambda: float(rng.integers(0, 4) * rng.choice([5e-324, 1.0])),
        }[kind]()

    top = int(rng.choice([2, 10, 1000, 10**9]))
    classes = []
    for _ in range(rng.integers(1, 6)):
        items = [
            (cost(), [int(w) for w in rng.integers(0, top, resources)])
            for _ in range(rng.integers(1, 6))
        ]
        if len(items) > 1 and rng.random() < 0.2:
            items.append(items[0])
        classes.append(items)
    weights = [[[w[k] for _, w in items] for items in classes] for k in range(resources)]
    capacity = []
    for rows in weights:
        low, high = sum(map(min, rows)), sum(map(max, rows))
        capacity.append(int(rng.choice([low, high, rng.integers(low, high + 1)])))
    return build_instance(classes, capacity, name=f"random {seed} ({kind})")


def plateaus(seed: int) -> Instance:
    """Hundreds of items whose steps have one of two slopes; the break is near where one ends.

    A few steeper steps are taken before it. An optimum may undo some of these for others beyond.
    """
    rng = np.random.default_rng(seed)
    steep, flat = sorted(rng.choice(np.arange(2, 12), 2, replace=False).tolist(), reverse=True)
    few = [(steep * w + rng.integers(8), w) for w in rng.integers(5, 40, rng.integers(1, 4))]
    many = [(steep * w, w) for w in [int(rng.integers(5, 20))] * int(rng.integers(100, 300))]
    rest = [(flat * w, w) for w in [int(rng.integers(5, 20))] * int(rng.integers(100, 300))]
    capacity = sum(w for _, w in few + many) - int(rng.integers(1, 40))
    steps = few + many + rest
    classes = [
        [(float(steps[i][0]), 0), (0.0, int(steps[i][1]))] for i in rng.permutation(len(steps))
    ]
    return build_instance(classes, int(capacity), name=f"plateaus {seed}")


FORMS = ("few costs", "few weights", "few of both", "thirds", "layers", "few slopes")


def instance_with_ties(seed: int) -> Instance:
    """20 to 1,500 classes, many items or slopes alike; the capacity is anywhere."""
    rng = np.random.default_rng(seed)
    form = FORMS[seed % len(FORMS)]
    layers = int(10 ** rng.uniform(1.3, 3.2))
    weights, costs = {"few costs": (40, 5), "few weights": (3, 1000)}.get(form, (6, 6))
    classes = []
    for size in rng.integers(2, 8, layers).tolist():
        if form == "thirds":
            w = rng.choice(60, size, replace=False)
            c = (60 - w) / float(rng.choice([1, 3, 7]))
        elif form == "layers":
            w = int(rng.integers(1, 100)) * np.array([2, 3, 4, 6, 8])
            c = np.round(w[0] * 4.0 ** -np.array([2, 3, 4, 6, 8]) * 2**20) / 2**12
        elif form == "few slopes":
            w = np.cumsum(rng.integers(1, 9, size))
            slope = np.sort(rng.choice([1, 2, 3, 5, 8], size - 1))[::-1]
            c = 1000.0 - np.append(0, np.cumsum(slope * np.diff(w)))
        else:
            w, c = rng.integers(0, weights, size), rng.integers(0, costs, size)
        classes.append(list(zip(c.astype(float).tolist(), w.tolist(), strict=True)))
    low, high = (sum(end(w for _, w in items) for items in classes) for end in (min, max))
    return build_instance(classes, int(rng.integers(low, high + 1)), name=f"{form} {seed}")


def uneven_layers(seed: int) -> Instance:
    """700 or 1,500 classes of sizes over four orders of magnitude; costs fall as weights rise."""
    rng = np.random.default_rng(seed)
    classes = []
    for size in rng.integers(2, 13, int(rng.choice([700, 1500]))).tolist():
        w = (rng.integers(0, 101, size) * 10.0 ** rng.uniform(0, 4)).astype(np.int64)
        c = [-(w // 10), rng.integers(0, 2, size) - 2 * w, rng.integers(0, 7, size) - w][seed % 3]
        classes.append(list(zip(c.astype(float).tolist(), w.tolist(), strict=True)))
    low, high = (sum(end(w for _, w in items) for items in classes) for end in (min, max))
    capacity = low + (high - low) * int(rng.integers(1, 10)) // 10
    return build_instance(classes, capacity, name=f"uneven layers {seed}")
