from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import Instance, build_instance, lower_hull, restrict, undominated


def random_instance(seed: int, resources: int) -> Instance:
    rng = np.random.default_rng(seed)
    classes = [
        [
            (float(rng.integers(6)), [int(w) for w in rng.integers(0, 6, resources)])
            for _ in range(rng.integers(1, 8))
        ]
        for _ in range(5)
    ]
    return build_instance(classes, [99] * resources)


@pytest.mark.parametrize("resources", [1, 2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_undominated_is_the_definition(seed: int, resources: int) -> None:
    instance = random_instance(seed, resources)
    keep = undominated(instance)
    for i in range(len(instance)):
        own = range(instance.offsets[i], instance.offsets[i + 1])
        for a in own:
            point = (instance.cost[a], *instance.weight[:, a])
            others = [(b, (instance.cost[b], *instance.weight[:, b])) for b in own if b != a]
            beaten = any(
                all(q <= p for q, p in zip(other, point, strict=True)) and (other != point or b < a)
                for b, other in others
            )
            assert keep[a] == (not beaten)


@pytest.mark.parametrize("seed", range(60))
def test_lower_hull_is_what_some_price_prefers(seed: int) -> None:
    instance = random_instance(seed, 1)
    cost, weight = instance.cost[: instance.offsets[1]], instance.weight[0, : instance.offsets[1]]
    hull = lower_hull(cost, weight)
    assert (np.diff(weight[hull]) > 0).all()
    assert (np.diff(cost[hull]) < 0).all()
    slopes = [
        Fraction(float(cost[a] - cost[b])) / int(weight[b] - weight[a])
        for a, b in itertools.pairwise(hull)
    ]
    assert all(x > y for x, y in itertools.pairwise(slopes))
    for price in [Fraction(0), *slopes, *(s + Fraction(1, 97) for s in slopes), Fraction(10**6)]:
        values = [Fraction(float(c)) + price * int(w) for c, w in zip(cost, weight, strict=True)]
        assert min(values) == min(values[h] for h in hull)


def test_restrict_keeps_the_marked_items() -> None:
    instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    small, old = restrict(instance, np.array([True, False, True, True]))
    assert small.sizes.tolist() == [1, 2]
    assert small.cost.tolist() == [3, 5, 1]
    assert old.tolist() == [0, 2, 3]
