"""The frontier is the brute-force frontier, and says so when it is not."""

from __future__ import annotations

import csv
import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import (
    DataError,
    InfeasibleError,
    Instance,
    UnsupportedError,
    build_instance,
    save_instance,
)
from bitknap.problems.average_bits import weight_counts
from bitknap.problems.families import mpq
from bitknap.problems.library import library_instance
from bitknap.solvers import solve
from bitknap.solvers.frontier import Frontier, frontier, to_csv, to_json, write

from ..fuzz import harness
from ..reference import undominated_points
from .conftest import random_instance


def random_tied(seed: int) -> Instance:
    rng = np.random.default_rng([seed, 5])
    classes = [[(float(rng.random()), int(rng.integers(9))) for _ in range(3)] for _ in range(5)]
    return build_instance(classes, 0, ties=((0, 3), (1, 4)))


def some(seed: int) -> Instance:
    return random_tied(seed) if seed % 6 == 0 else random_instance(seed)


def rounded(points: list[tuple[int, Fraction]]) -> list[tuple[int, float]]:
    """The points as float64 sees them: those that still fall."""
    found: list[tuple[int, float]] = []
    for usage, cost in points:
        if not found or float(cost) < found[-1][1]:
            found.append((usage, float(cost)))
    return found


def pairs(found: Frontier) -> list[tuple[int, float]]:
    return list(zip(found.usage.tolist(), found.objective.tolist(), strict=True))


def check_exact(instance: Instance) -> None:
    found = frontier(instance)
    assert found.exact
    assert found.tolerance == 0.0
    assert pairs(found) == rounded(undominated_points(instance)), instance.name
    for i in range(len(found)):
        choice = found.choice(i)
        assert instance.keeps_ties(choice)
        assert int(instance.usage(choice)[0]) == found.usage[i]
        assert instance.objective(choice) == found.objective[i]


def test_equals_brute_force() -> None:
    for seed in range(300):
        check_exact(some(seed))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_equals_brute_force_on_twenty_thousand(block: int) -> None:
    for seed in range(200_000 + 1000 * block, 201_000 + 1000 * block):
        check_exact(some(seed))


def test_a_range_of_budgets_is_that_part_of_the_frontier() -> None:
    rng = np.random.default_rng(0)
    for seed in range(200):
        instance = some(seed)
        whole = frontier(instance)
        ends = int(whole.usage[0]), int(whole.usage[-1])
        low, high = sorted(rng.integers(ends[0], ends[1] + 1, 2).tolist())
        part = frontier(instance, lowest=low, highest=high)
        first, last = whole.index(low), whole.index(high)
        assert part.objective.tolist() == whole.objective[first : last + 1].tolist()
        # The first may be a heavier one that is cheaper by less than float64 shows.
        assert part.usage[1:].tolist() == whole.usage[first + 1 : last + 1].tolist()
        assert whole.usage[first] <= part.usage[0] <= low or len(part) == 1
        assert part.exact


@pytest.mark.parametrize(("limit", "tolerance"), [(12, 0.0), (10_000_000, 1.0)])
def test_the_stated_tolerance_holds_and_the_convex_part_is_exact(
    limit: int, tolerance: float
) -> None:
    trimmed = 0
    for seed in range(300):
        instance = some(seed)
        found = frontier(instance, max_states=limit, tolerance=tolerance)
        trimmed += not found.exact
        assert found.exact == (found.tolerance == 0.0)
        assert tolerance == 0.0 or found.tolerance <= tolerance * (1 + 1e-9)
        truth = undominated_points(instance)
        least = truth[-1][1]
        allowed = Fraction(1) + Fraction(found.tolerance) + Fraction(1, 10**9)
        tiny = Fraction(1, 10**14) * sum(map(abs, map(Fraction, instance.cost.tolist())))
        for usage, cost in truth:
            near = Fraction(float(found.objective[found.index(usage)]))
            assert near - least <= allowed * (cost - least) + tiny
        for i in range(len(found)):
            assert instance.objective(found.choice(i)) == found.objective[i]
        exact = frontier(instance)
        corners = np.array(pairs(exact))[exact.supported]
        for usage, objective in corners.tolist():
            assert abs(found.objective[found.index(int(usage))] - objective) <= float(tiny)
    assert trimmed > 30


def test_agrees_with_the_solver_at_any_budget() -> None:
    instance = mpq.generate(54, (2, 3, 4, 5, 6, 8), seed=2)
    found = frontier(instance)
    assert found.exact
    rng = np.random.default_rng(1)
    for budget in rng.integers(found.usage[0], found.usage[-1], 20).tolist():
        best = solve(instance.with_capacity(budget), "core")
        assert best.objective == pytest.approx(found.objective[found.index(budget)], rel=1e-13)
        assert instance.usage(found.at(budget))[0] <= budget


def test_trimming_a_large_one_is_said_and_bounded() -> None:
    instance = mpq.generate(54, (2, 3, 4, 5, 6, 8), seed=2)
    whole = frontier(instance)
    found = frontier(instance, max_states=100_000)
    assert not found.exact
    assert 0.0 < found.tolerance < 0.1
    assert found.states <= 100_000
    least = frontier(instance, lowest=int(whole.usage[-1])).objective[-1]
    at = np.searchsorted(found.usage, whole.usage, side="right") - 1
    excess = found.objective[at] - least
    assert (excess <= (1 + found.tolerance + 1e-9) * (whole.objective - least)).all()


STEPS = build_instance(
    [[(8.0, 1), (4.0, 2), (1.0, 4)], [(6.0, 0), (5.0, 3), (1.0, 4)]], 9, name="steps"
)


def test_corners_shadow_prices_and_budgets() -> None:
    found = frontier(STEPS)
    assert pairs(found) == [(1, 14.0), (2, 10.0), (4, 7.0), (6, 5.0), (8, 2.0)]
    assert found.usage[found.supported].tolist() == [1, 2, 4, 8]
    assert [found.shadow_price(b) for b in (1, 2, 3, 4, 7, 8, 99)] == [
        4.0, 1.5, 1.5, 1.25, 1.25, 0.0, 0.0,
    ]  # fmt: skip
    assert found.at(3).tolist() == [1, 0]
    assert found.at(7).tolist() == [1, 2]
    assert found.at(1000).tolist() == [2, 2]
    with pytest.raises(InfeasibleError, match="starts at 1"):
        found.at(0)
    with pytest.raises(InfeasibleError, match="smallest usage is 1"):
        found.shadow_price(0)
    part = frontier(STEPS, highest=5)
    with pytest.raises(UnsupportedError, match="up to the budget 5"):
        part.at(6)
    with pytest.raises(InfeasibleError, match="smallest usage is 1"):
        frontier(STEPS, highest=0)
    with pytest.raises(UnsupportedError, match="empty range"):
        frontier(STEPS, lowest=5, highest=4)
    with pytest.raises(
        UnsupportedError, match=r"needs one resource.*with one of these limits alone"
    ):
        frontier(random_instance(1, None, 2))


def test_knees_are_the_bends_of_a_broken_line() -> None:
    line = [(float(np.exp(-5.0 * i)), i) for i in range(4)]
    line += [(float(np.exp(-15.0 - 0.5 * i)), 3 + i) for i in range(1, 9)]
    found = frontier(build_instance([line], 99))
    assert found.knees(1) == [3]
    assert found.knees(5) == [3]
    assert frontier(build_instance([[(1.0, 1)]], 1)).knees(3) == []
    two = [(float(-y), x) for x, y in ((0, 0), (1, 8), (2, 9), (3, 13), (9, 14))]
    assert frontier(build_instance([two], 99)).knees(2) == [1, 3]


def test_files(tmp_path: Path) -> None:
    found = frontier(STEPS)
    document = json.loads(to_json(found))
    assert document["format"] == "bitknap.frontier/1"
    assert document["usage"] == [1, 2, 4, 6, 8]
    assert document["exact"] is True
    rows = list(csv.DictReader(to_csv(found).splitlines()))
    assert [float(row["objective"]) for row in rows] == found.objective.tolist()
    for ending in ("json", "csv", "png", "svg"):
        write(found, tmp_path / f"a.{ending}")
        write(found, tmp_path / f"b.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    with pytest.raises(DataError, match=r"not '\.txt'"):
        write(found, tmp_path / "a.txt")


@pytest.mark.parametrize(
    "costs",
    [
        (1e300, 18.0),
        (1e16, 1e16 - 2),
        (1e300, 5e-324),
        (8e307, -8e307),
        (1e-320, 5e-324),
        (0, -0.0),
    ],
    ids=str,
)
def test_bug_figures_of_costs_far_apart_or_almost_equal_failed(
    costs: tuple[float, float], tmp_path: Path
) -> None:
    instance = build_instance([[(costs[0], 0), (costs[1], 1)]], 1, name="$x$\n" * 900)
    write(frontier(instance), tmp_path / "a.svg")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return harness.run("frontier", *arguments)


def test_command(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    save_instance(STEPS, path)
    done = run(path, "--json", "--at", "3", "--at", "8", "--out", tmp_path / "f.csv")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert [entry["objective"] for entry in answer["at"]] == [10.0, 2.0]
    assert answer["at"][0]["choice"] == {"c0": "1", "c1": "0"}
    assert (tmp_path / "f.csv").read_text().startswith("size_bits,objective,supported\n1,14.0,1\n")
    done = run(path)
    assert done.returncode == 0
    assert "5 undominated points, exact" in done.stdout
    done = run(path, "--at", "0")
    assert done.returncode == 3
    assert "starts at 1" in done.stderr
    done = run(path, "--at", "2.5")
    assert done.returncode == 2
    assert "does not tell its numbers of weights; got '2.5'" in done.stderr


def test_budgets_of_the_command_are_bits_per_weight() -> None:
    name = "fashion-resnet18/fisher_3"
    instance = library_instance(name)
    counts = weight_counts(instance) or []
    done = run(name, "--at", "3", "--at", "2.5", "--highest", "4", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    three, lower = json.loads(done.stdout)["at"]
    assert three["objective"] == instance.optimum
    assert three["budget"] == instance.capacity[0]
    for entry, most in ((three, 3), (lower, 2.5)):
        bits = sum(n * int(b) for n, b in zip(counts, entry["choice"].values(), strict=True))
        assert entry["bits_per_weight"] == float(bits / sum(counts))
        assert most - 0.01 < entry["bits_per_weight"] <= most
    size = run(name, "--at", f"{instance.capacity[0]}bits", "--json")
    assert json.loads(size.stdout)["at"][0]["choice"] == three["choice"]
    for budget, code, words in (
        ("1.5", 3, "(2 bits per weight)"),
        (str(instance.capacity[0]), 2, "a budget is at most 32 bits on average"),
        ("w3a6", 2, "must be bits per weight such as 2.5, or a size such as 300kB"),
    ):
        done = run(name, "--at", budget)
        assert done.returncode == code
        assert words in done.stderr
