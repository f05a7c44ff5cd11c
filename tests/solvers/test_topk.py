"""Rankings and forced optima equal the sorted brute force."""

from __future__ import annotations

import json
import math
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bitknap.commands.topk import command
from bitknap.problems import (
    InfeasibleError,
    Instance,
    SolverError,
    UnsupportedError,
    build_instance,
    save_instance,
)
from bitknap.problems.families import mpq
from bitknap.solvers import solve
from bitknap.solvers.topk import forced, top_k
from bitknap.solvers.topk.lawler import lawler
from bitknap.solvers.topk.space import Space
from bitknap.solvers.topk.tree import ranked_by_tree

from ..fuzz import harness
from ..reference import feasible_choices
from .conftest import random_instance

SOLVERS = [None, "core", "dp"]


def random_tied(seed: int) -> Instance:
    rng = np.random.default_rng([seed, 6])
    classes = [[(float(rng.random()), int(rng.integers(9))) for _ in range(3)] for _ in range(5)]
    labels = tuple("abc" * 4 + "bcd")
    return build_instance(classes, int(rng.integers(12, 30)), ties=((0, 3), (1, 4)), labels=labels)


def some(seed: int) -> Instance:
    return random_tied(seed) if seed % 5 == 0 else random_instance(seed)


def check_ranking(instance: Instance, k: int, solver: str | None) -> None:
    truth = feasible_choices(instance)
    if not truth:
        with pytest.raises(InfeasibleError):
            top_k(instance, k, solver)
        return
    found = top_k(instance, k, solver)
    assert len(found) == min(k, len(truth))
    assert len({tuple(a.choice.tolist()) for a in found}) == len(found)
    size = sum(map(abs, map(Fraction, instance.cost.tolist()))) / 10**14
    exact = {choice: cost for cost, choice in truth}
    for allocation, (cost, _) in zip(found, truth, strict=False):
        mine = exact[tuple(allocation.choice.tolist())]
        assert allocation.objective == float(mine)
        assert abs(mine - cost) <= size
    objectives = [a.objective for a in found]
    assert objectives == sorted(objectives)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rankings_equal_sorted_brute_force(solver: str | None) -> None:
    for seed in range(50):
        check_ranking(some(seed), 1 + seed % 9, solver)
    for seed in (1, 5, 8):
        check_ranking(some(seed), 10_000, solver)


def check_forced(instance: Instance, solver: str | None) -> None:
    truth = feasible_choices(instance)
    if not truth:
        with pytest.raises(InfeasibleError):
            forced(instance, solver)
        return
    found = forced(instance, solver)
    size = sum(map(abs, map(Fraction, instance.cost.tolist()))) / 10**14
    assert found.optimum == instance.objective(found.choice)
    assert abs(Fraction(found.optimum) - truth[0][0]) <= size
    for i in range(len(instance)):
        for j in range(int(instance.sizes[i])):
            at = int(instance.offsets[i]) + j
            costs = [cost for cost, choice in truth if choice[i] == j]
            if not costs:
                assert found.objective[at] == found.rise[at] == math.inf
                continue
            assert abs(Fraction(float(found.objective[at])) - costs[0]) <= size
            assert abs(Fraction(float(found.rise[at])) - (costs[0] - truth[0][0])) <= size
        others = [cost for cost, choice in truth if choice[i] != found.choice[i]]
        if others:
            assert abs(Fraction(float(found.elsewhere[i])) - (others[0] - truth[0][0])) <= size
        else:
            assert found.elsewhere[i] == math.inf


@pytest.mark.parametrize("solver", ["core", "dp"])
def test_forced_optima_equal_brute_force(solver: str) -> None:
    for seed in range(40):
        check_forced(some(seed), solver)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_thousands_equal_brute_force(block: int) -> None:
    for seed in range(300_000 + 200 * block, 300_200 + 200 * block):
        check_ranking(some(seed), 1 + seed % 20, None)
        check_ranking(some(seed), 1 + seed % 20, "core")
        check_forced(some(seed), "core")


def test_several_resources_with_a_solver_that_knows_them() -> None:
    for seed in (2, 3, 4):
        instance = random_instance(seed, None, 2)
        check_ranking(instance, 4, "highs")
        check_ranking(instance, 4, None)
        check_forced(instance, None)
    with pytest.raises(UnsupportedError, match="has 2; the solver multi can"):
        top_k(random_instance(3, None, 2), 2, "core")


def test_what_fits_nothing_is_said_with_the_smallest_that_would() -> None:
    with pytest.raises(InfeasibleError, match="smallest feasible limit is 3"):
        top_k(build_instance([[(1, 3)]], 2), 2)
    apart = build_instance([[(1, (1, 9)), (1, (9, 1))]] * 3, (12, 12))
    with pytest.raises(InfeasibleError, match="at once, though each limit alone can be met"):
        forced(apart)
    assert "at once, though" in solve(apart).message


def test_54_layers() -> None:
    instance = mpq.generate(54, (2, 3, 4, 5, 6, 8), seed=1)
    found = top_k(instance, 10)
    pieces = top_k(instance, 10, "core")
    assert [a.objective for a in pieces] == [a.objective for a in found]
    assert found[0].objective == solve(instance).objective
    assert len({tuple(a.choice.tolist()) for a in found}) == 10
    assert all(instance.is_feasible(a.choice) for a in found)
    assert (np.diff([a.objective for a in found]) >= 0.0).all()


def test_too_many_states_are_left_to_the_partition() -> None:
    space = Space(mpq.generate(54, seed=1), "core")
    assert ranked_by_tree(space, 3, max_states=100) is None
    found = ranked_by_tree(space, 3)
    assert found is not None
    assert [a.objective for a in found] == [a.objective for a in lawler(space, 3)]


@pytest.mark.parametrize("unit", [1.0, 0.1, 1 / 3])
def test_bug_layers_that_are_alike_were_ranked_in_exponential_time(unit: float) -> None:
    instance = build_instance([[(3 * unit, 0), (unit, 1), (0.0, 2)]] * 200, 201)
    found = top_k(instance, 20)
    assert len({tuple(a.choice.tolist()) for a in found}) == 20
    assert [a.objective for a in found] == [pytest.approx(199 * unit, rel=1e-15)] * 20


def test_ranking_stops_at_too_many_extensions() -> None:
    instance = build_instance([[(1.0, 0), (0.0, 1)]] * 12, 6)
    space = Space(instance, "core")
    assert len(ranked_by_tree(space, 900) or []) == 900
    assert ranked_by_tree(space, 900, max_states=300) is None


def test_what_cannot_be_ranked_is_refused() -> None:
    instance = random_instance(4)
    with pytest.raises(UnsupportedError, match="at least 1"):
        top_k(instance, 0)
    with pytest.raises(SolverError, match="choose an exact solver"):
        top_k(instance, 2, "greedy")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return harness.run("topk", *arguments)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "i.json"
    save_instance(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4, name="two"), path)
    done = run(path, "-k", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    ranking = json.loads(done.stdout)["allocations"]
    assert [entry["objective"] for entry in ranking] == [4.0, 6.0]
    assert ranking[1]["choice"] == {"c0": "1", "c1": "0"}
    command(path, force=True, as_json=True)
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert classes["c0"] == {"chosen": "0", "elsewhere": 2.0, "objective": {"0": 4.0, "1": 6.0}}
    command(path, k=2)
    assert "c0: 0 -> 1" in capsys.readouterr().out
    command(path, force=True)
    assert "rise elsewhere" in capsys.readouterr().out
