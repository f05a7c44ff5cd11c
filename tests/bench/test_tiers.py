"""The study of settings: false claims are counted, strict back-ends make none."""

import math

import numpy as np
import pytest

from bitknap.bench.studies.tiers import Claims, contenders
from bitknap.problems import build_instance
from bitknap.problems.families.mpq import generate
from bitknap.solvers import Limits, Outcome, Solver, Status, solve
from bitknap.solvers.base import Tier


class Fixed:
    """Claims that one choice is optimal."""

    exact = True
    requires = ()

    def __init__(self, choice: list[int]) -> None:
        self.choice = choice

    def supports(self, instance: object) -> None:
        return None

    def solve(self, instance: object, limits: Limits) -> Outcome:
        return Outcome(Status.OPTIMAL, np.array(self.choice))


@pytest.mark.parametrize(
    ("choice", "wrong", "cell"),
    [([1], 0, "0/1"), ([0], 1, "1/1, 2x"), ([2], 1, "1/1, over capacity")],
)
def test_claims_are_counted(choice: list[int], wrong: int, cell: str) -> None:
    instance = build_instance([[(2.0, 0), (1.0, 1), (0.0, 2)]], 1)
    claims = Claims()
    claims.add(Fixed(choice), instance, 1.0)
    assert (claims.made, claims.wrong, claims.cell) == (1, wrong, cell)
    assert math.isinf(claims.worst) == (choice == [2])


@pytest.mark.parametrize("key", [key for key in contenders() if key[0] != "CP-SAT"])
def test_strict_back_ends_make_no_false_claim(key: tuple[str, str]) -> None:
    solver: Solver = contenders()[key]
    instance = generate(classes=20, bits=(2, 4, 8), seed=1, largest=1e-9)
    optimum = solve(instance).objective
    assert optimum is not None
    claims = Claims()
    claims.add(solver, instance, optimum)
    if key[1] == Tier.DEFAULT.value:
        assert claims.wrong == 1
    elif key[1] != Tier.ZERO_GAP.value:
        assert (claims.made, claims.wrong) == (1, 0)
