"""Planted wrong solvers: the referee catches each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from bitknap.problems import Instance, SolverError, UnsupportedError, build_instance
from bitknap.solvers import Limits, Outcome, Status, relative_gap, solve

INSTANCE = build_instance(
    [[(3, 1), (1, 2), (0.5, 6)], [(5, 1), (1, 3)], [(2, 0), (1, 1)]], 6, name="judged"
)
BEST = np.array([1, 1, 1])


@dataclass(frozen=True)
class Planted:
    answer: Callable[[Instance], Outcome]
    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance: Instance) -> str | None:
        return None

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        return self.answer(instance)


def test_the_truth_passes() -> None:
    solution = solve(INSTANCE, Planted(lambda i: Outcome(Status.OPTIMAL, BEST, objective=3.0)))
    assert (solution.objective, solution.bound, solution.gap) == (3.0, 3.0, 0.0)
    assert solution.usage is not None
    assert solution.usage.tolist() == [6]
    assert solution.solver == "planted"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(Status.OPTIMAL, np.array([1, 0, 1])), "item '1' of class 'c1' fits"),
        (Outcome(Status.OPTIMAL, np.array([1, 1, 0])), "fits and costs 1.0 less"),
        (Outcome(Status.OPTIMAL, np.array([2, 1, 1])), "uses 10 of size_bits, above"),
        (Outcome(Status.FEASIBLE, np.array([2, 1, 1])), "above the capacity 6"),
        (Outcome(Status.OPTIMAL, BEST, bound=3.5), "claims the bound 3.5"),
        (Outcome(Status.FEASIBLE, np.array([0, 0, 0]), bound=11.0), "claims the bound 11.0"),
        (Outcome(Status.FEASIBLE, BEST, bound=math.nan), "claims the bound nan"),
        (Outcome(Status.OPTIMAL, BEST, objective=2.5), "claims the objective 2.5"),
        (Outcome(Status.OPTIMAL, np.array([1, 1])), "must be 3 integers"),
        (Outcome(Status.OPTIMAL, np.array([1, 2, 1])), "has items 0 to 1"),
        (Outcome(Status.OPTIMAL, np.array([1, 1, -1])), "has items 0 to 1"),
        (Outcome(Status.OPTIMAL), "gives no choice"),
        (Outcome(Status.INFEASIBLE), "the lightest choice fits"),
        (Outcome(Status.INFEASIBLE, BEST), "yet gives a choice"),
    ],
)
def test_a_false_claim_is_never_a_row(outcome: Outcome, words: str) -> None:
    with pytest.raises(SolverError, match=words):
        solve(INSTANCE, Planted(lambda i: outcome))


def with_optimum(optimum: float) -> Instance:
    return build_instance(
        [[(3, 1), (1, 2), (0.5, 6)], [(5, 1), (1, 3)], [(2, 0), (1, 1)]], 6, optimum=optimum
    )


@pytest.mark.parametrize(
    ("outcome", "optimum", "words"),
    [
        (Outcome(Status.FEASIBLE, np.array([0, 0, 0]), bound=9.0), 3.0, "above the known optimum"),
        (Outcome(Status.OPTIMAL, BEST), 2.0, "calls 3.0 optimal, the known optimum is 2.0"),
        (Outcome(Status.FEASIBLE, BEST), 4.0, "below the known optimum"),
    ],
)
def test_a_known_optimum_refutes(outcome: Outcome, optimum: float, words: str) -> None:
    with pytest.raises(SolverError, match=words):
        solve(with_optimum(optimum), Planted(lambda i: outcome))


def test_a_bound_a_rounding_above_the_objective_is_lowered_to_it() -> None:
    bound = np.nextafter(3.0, 4.0)
    solution = solve(INSTANCE, Planted(lambda i: Outcome(Status.FEASIBLE, BEST, bound=bound)))
    assert solution.bound == 3.0


def test_relative_gap() -> None:
    assert relative_gap(4.0, 3.0) == 0.25
    assert relative_gap(-4.0, -5.0) == 0.25
    assert relative_gap(0.0, 0.0) == 0.0
    assert relative_gap(0.0, -1.0) == math.inf


def test_a_missing_package_says_what_to_install() -> None:
    from bitknap.solvers import SOLVERS

    class Missing(Planted):
        requires: ClassVar[tuple[str, ...]] = ("no_such_package",)

    loaded, SOLVERS.load = SOLVERS.load, lambda name: Missing(lambda i: Outcome(Status.CRASHED))  # type: ignore[method-assign]
    try:
        with pytest.raises(UnsupportedError, match="pip install no_such_package"):
            solve(INSTANCE, "missing")
    finally:
        SOLVERS.load = loaded  # type: ignore[method-assign]
