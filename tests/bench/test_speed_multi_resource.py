"""The study of several capacities: what it solves, and how it says who was fastest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitknap.bench.studies import STUDIES
from bitknap.bench.studies.speed_multi_resource import HEAVIEST, _fastest, coarse
from bitknap.problems import build_instance
from bitknap.problems.families import mpq_multi
from bitknap.solvers import Solution, Status, solve


def test_coarse_choices_fit_the_fine_instance() -> None:
    fine = mpq_multi.generate(classes=54, bits=tuple(range(2, 10)), resources=2, seed=1)
    fine = replace(fine, weight=fine.weight * [[1], [1 << 14]], capacity=fine.capacity << [0, 14])
    assert fine.weight.max() > 2 * HEAVIEST
    rough = coarse(fine)
    assert rough.weight.max() <= HEAVIEST
    assert np.array_equal(rough.weight[0], fine.weight[0])
    assert fine.is_feasible(solve(rough, "multi").choice)


def test_the_fastest_has_most_proofs_first() -> None:
    instance = build_instance([[(1.0, 1)]], 1)

    def answer(status: Status, seconds: float) -> Solution:
        return Solution(status, "x", instance, seconds=seconds)

    answers = {
        "hasty": [answer(Status.FEASIBLE, 0.001)],
        "slow": [answer(Status.OPTIMAL, 0.4)],
        "quick": [answer(Status.OPTIMAL, 0.1)],
    }
    assert _fastest(answers) == ("quick", "slow 4x")


def test_it_is_listed() -> None:
    assert "speed-multi-resource" in STUDIES.names()
