"""General solvers where a capacity is just under an attractive choice: no false optimum."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bitknap.solvers import Status, solve

from .oracle import ranking
from .tight import tight_instance

BACK_ENDS = ("highs", "cbc", "scip", "cpsat")
SECONDS = 20.0


def outcome(name: str, seed: int) -> str:
    """The status; an optimum that is not one, to 1e-12 of the cost above the minima, is false."""
    instance = tight_instance(seed)
    truth = float(solve(instance, "dp").objective or 0.0)
    least = float(np.minimum.reduceat(instance.cost, instance.offsets[:-1]).sum())
    allowed = 1e-12 * max(abs(truth), truth - least)
    solution = solve(instance, name, SECONDS)
    assert solution.objective is None or solution.objective >= truth - allowed, instance.name
    assert solution.bound is None or solution.bound <= truth + allowed, instance.name
    if solution.status is Status.OPTIMAL:
        assert solution.objective == pytest.approx(truth, rel=0, abs=allowed), instance.name
    return solution.status.value


def test_dp_tells_the_truth_here() -> None:
    for seed in (0, 1, 4, 5, 8):
        instance = tight_instance(seed)
        assert solve(instance, "dp").objective == float(ranking(instance, 1)[0])


@pytest.mark.parametrize("name", BACK_ENDS)
def test_bug_back_ends_gave_no_answer_or_a_false_one_under_a_tight_capacity(name: str) -> None:
    assert [outcome(name, seed) for seed in (5, 9, 12, 17, 20, 24)] == ["optimal"] * 6


@pytest.mark.slow
@pytest.mark.parametrize("name", BACK_ENDS)
def test_two_hundred_tight_instances(name: str) -> None:
    counts = Counter(outcome(name, seed) for seed in range(200))
    assert counts["optimal"] >= 196, counts
