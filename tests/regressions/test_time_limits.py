"""Commands and methods that had no time limit, or went on past it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bitknap
from bitknap.bench.job.ties import price_ties
from bitknap.problems import QuadraticInstance, build_instance
from bitknap.sensitivity import Tie, save_table
from bitknap.solvers.base import Deadline, TimeUp
from bitknap.solvers.quadratic import solve_quadratic, verify_quadratic
from bitknap.solvers.quadratic.convex import _mixture
from bitknap.solvers.topk import forced

from ..bench.tables import random_table
from ..fuzz.harness import call
from ..fuzz.kinds.plans import network


@pytest.mark.parametrize("name", ["confidence", "ties"])
def test_bug_commands_on_tables_had_no_time_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_table(random_table(ties=(Tie(("l0", "l1"), "test"),)), "t.npz")
    words = [name, "t.npz", "--budgets", "3", "--json", "--time-limit"]
    assert call([*words, "60"]).code == 0
    done = call([*words, "0"])
    assert (done.code, done.out, done.wrong) == (4, "", None)
    assert "within 0 s; allow more" in done.err


def test_bug_the_ties_of_one_budget_were_all_priced_whatever_the_time() -> None:
    with pytest.raises(TimeUp):
        price_ties(random_table(), "fisher", 5000, Deadline.after(0.0))


def test_bug_a_quadratic_proof_had_no_time_limit() -> None:
    knapsack = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    problem = QuadraticInstance(knapsack, np.eye(4))
    document = solve_quadratic(problem).to_dict()
    assert verify_quadratic(problem, document, time_limit=60.0).proved
    verdict = verify_quadratic(problem, document, time_limit=0.0)
    assert verdict.finding.value == "unproved"
    assert "within 0 s" in verdict.reasons[-1]


def test_bug_the_solves_of_a_plan_had_no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def noted(instance: object, *, time_limit: float) -> bitknap.Solution:
        limits.append(time_limit)
        return bitknap.solve(instance, time_limit=time_limit)  # type: ignore[arg-type]

    monkeypatch.setattr("bitknap.plans.optimum.solve", noted)
    made = network(0)
    bitknap.plan(made.model, made.data, bits=3, measure=0, time_limit=7.0, metric="fisher")
    bitknap.plan(made.model, made.data, bits=3, measure=0, metric="fisher")
    assert limits == [7.0, 60.0]


def test_bug_forcing_every_item_was_silent() -> None:
    told: list[tuple[int, int]] = []
    instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    forced(instance, progress=lambda done, items: told.append((done, items)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_bug_numbers_too_large_gave_a_mixture_that_is_none() -> None:
    gram, costs = np.full((2, 2), 1e300), np.array([1e300, -1e300])
    weights = _mixture(gram, costs, np.array([1.0, 0.0]), 1e-9)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
