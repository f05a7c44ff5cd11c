from __future__ import annotations

import pytest

from bitknap.bench.accuracy import random_allocation
from bitknap.problems.errors import DataError

WEIGHTS = {"stem": 144, "wide": 30_000, "deep": 7_000, "head": 1_280}
WIDTHS = (2, 3, 4, 5, 6, 8)


def size(allocation: dict[str, int]) -> int:
    return sum(WEIGHTS[layer] * bits for layer, bits in allocation.items())


@pytest.mark.parametrize("average", [2.0, 2.25, 3.0, 5.5, 8.0])
@pytest.mark.parametrize("seed", range(10))
def test_the_draw_fits_and_leaves_no_room(average: float, seed: int) -> None:
    budget = int(average * sum(WEIGHTS.values()))
    allocation = random_allocation(WEIGHTS, WIDTHS, budget, seed)
    assert list(allocation) == list(WEIGHTS)
    assert set(allocation.values()) <= set(WIDTHS)
    assert size(allocation) <= budget
    for layer, bits in allocation.items():
        for more in (width for width in WIDTHS if width > bits):
            assert size(allocation | {layer: more}) > budget


def test_the_draw_depends_on_the_seed_alone() -> None:
    budget = 4 * sum(WEIGHTS.values())
    draws = [random_allocation(WEIGHTS, WIDTHS, budget, seed) for seed in range(20)]
    again = [random_allocation(WEIGHTS, WIDTHS[::-1], budget, seed) for seed in range(20)]
    assert draws == again
    assert len({tuple(draw.values()) for draw in draws}) > 3


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(DataError, match="76,848 bits is too small"):
        random_allocation(dict(WEIGHTS, stem=145), WIDTHS, 2 * sum(WEIGHTS.values()), 0)
