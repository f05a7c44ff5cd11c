"""The verifier proves what is true and nothing else."""

from __future__ import annotations

import ast
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitknap.problems import DataError, Instance, build_instance, save_instance
from bitknap.problems.families import mpq, mpq_multi
from bitknap.solvers import Solution, Status, relative_gap, solve
from bitknap.solvers.verify import Finding, branching, single, verify

from ..fuzz import harness
from ..reference import brute_force, feasible_choices
from .conftest import random_instance

ROOM = Path(__file__).parents[2] / "solvers" / "verify"


def answer(instance: Instance, choice: Any, bound: float | None, status: str) -> dict[str, Any]:
    return Solution(
        Status(status),
        "hand",
        instance,
        np.array(choice),
        instance.objective(choice),
        bound,
        instance.usage(choice),
    ).to_dict()


def optimal(instance: Instance, choice: Any) -> dict[str, Any]:
    return answer(instance, choice, instance.objective(choice), "optimal")


def below(value: Fraction) -> float:
    """The largest float64 that is not above a fraction."""
    rounded = float(value)
    return rounded if Fraction(rounded) <= value else math.nextafter(rounded, -math.inf)


def allowance(instance: Instance, choice: Any) -> Fraction:
    costs = instance.cost[instance.positions(choice)].tolist()
    return sum((abs(Fraction(c)) for c in costs), Fraction(0)) / 10**12


def random_tied(seed: int) -> Instance:
    rng = np.random.default_rng([seed, 77])
    resources = int(rng.integers(1, 4))
    classes = [
        [
            (float(10.0 ** rng.uniform(-12, 0)), rng.integers(0, 9, resources).tolist())
            for _ in range(3)
        ]
        for _ in range(5)
    ]
    capacity = rng.integers(10, 34, resources).tolist()
    return build_instance(classes, capacity, ties=((0, 3), (1, 4)))


def instances(seeds: range) -> Iterator[Instance]:
    for seed in seeds:
        yield random_tied(seed) if seed % 7 == 0 else random_instance(seed, None, 1 + seed % 3)


def check_against_brute_force(instance: Instance, seed: int) -> None:
    choices = feasible_choices(instance)
    nothing = Solution(Status.INFEASIBLE, "hand", instance).to_dict()
    verdict = verify(instance, nothing)
    if not choices:
        assert verdict.proved
        return
    assert verdict.finding is Finding.WRONG
    best, choice = choices[0]
    verdict = verify(instance, optimal(instance, choice))
    assert verdict.proved
    assert verdict.exact
    assert verdict.dual_bound is not None
    assert Fraction(verdict.dual_bound) <= best
    rng = np.random.default_rng(seed)
    cost, other = choices[int(rng.integers(len(choices)))]
    if cost - best > allowance(instance, other):
        verdict = verify(instance, optimal(instance, other))
        assert verdict.finding is Finding.WRONG
        assert verdict.better is not None
        assert Fraction(instance.objective(instance.from_labels(verdict.better))) < cost
    true = below(best)
    assert verify(instance, answer(instance, other, true, "feasible")).proved
    false = float(best) + abs(float(best)) * 1e-6 + 1e-300
    if Fraction(false) - best > allowance(instance, other) and false <= instance.objective(other):
        verdict = verify(instance, answer(instance, other, false, "feasible"))
        assert verdict.finding is Finding.WRONG


def test_agrees_with_brute_force() -> None:
    for seed, instance in enumerate(instances(range(150))):
        check_against_brute_force(instance, seed)


def test_agrees_with_brute_force_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step counts as uneven, and few searches end undivided."""
    monkeypatch.setattr(single, "_UNEVEN", 0)
    monkeypatch.setattr(branching, "_TRIAL", 1)
    for seed, instance in enumerate(instances(range(150))):
        check_against_brute_force(instance, seed)


def test_proves_in_parts_what_a_large_class_leaves_open() -> None:
    """Undivided, a million partial choices are not enough."""
    instance = mpq.generate(classes=100, bits=(2, 3, 4, 5, 6, 7, 8, 16), seed=3)
    document = solve(instance, "core").to_dict()
    verdict = verify(instance, document)
    assert verdict.proved
    assert verdict.exact
    assert verdict.states < 100_000
    near = solve(instance, "annealing")
    assert near.objective > document["objective"]
    verdict = verify(instance, optimal(instance, near.choice))
    assert verdict.finding is Finding.WRONG
    assert verdict.better == document["choice"]


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_twenty_thousand_agree_with_brute_force(block: int) -> None:
    seeds = range(100_000 + 1000 * block, 101_000 + 1000 * block)
    for seed, instance in zip(seeds, instances(seeds), strict=True):
        check_against_brute_force(instance, seed)


@pytest.mark.parametrize("solver", ["core", "dp"])
def test_proves_what_the_exact_solvers_answer(solver: str) -> None:
    for seed in range(200):
        instance = random_instance(seed)
        document = json.loads(json.dumps(solve(instance, solver).to_dict()))
        verdict = verify(instance, document)
        assert verdict.proved, (instance.name, verdict.reasons)


def test_proves_bounds_of_heuristics_and_says_when_there_is_nothing_to_prove() -> None:
    instance = random_instance(3)
    found = brute_force(instance)
    assert found is not None
    verdict = verify(instance, answer(instance, found[1], None, "feasible"))
    assert verdict.finding is Finding.UNPROVED
    assert "claims no bound" in verdict.reasons[-1]
    verdict = verify(instance, Solution(Status.NO_SOLUTION, "hand", instance).to_dict())
    assert verdict.finding is Finding.UNPROVED


TWO = build_instance(
    [[(3.0, 1), (1.0, 2), (0.5, 4)], [(5.0, 1), (1.0, 3)], [(2.0, 2), (2.5, 0)]], 7, name="two"
)


def corrupt(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(document)) | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"choice": {"c0": "2", "c1": "1", "c2": "0"}}, "above the capacity"),
        ({"choice": {"c0": "0", "c1": "1", "c2": "0"}}, "usage is given as"),
        ({"choice": {"c0": "1", "c1": "1"}}, "Class 'c2' has no choice"),
        ({"choice": {"c0": "1", "c1": "1", "c2": "0", "c3": "0"}}, "'c3', which does not exist"),
        ({"choice": {"x": "1", "y": "1"}}, "'x', which does not exist (and 1 more)"),
        ({"choice": {"x": "1", "y": "1"}}, "Class 'c0' has no choice (and 2 more)"),
        ({"choice": {"c0": "7", "c1": "1", "c2": "0"}}, "no item labelled '7'"),
        ({"objective": 3.9999999999999996}, "objective is given as"),
        ({"objective": None}, "objective is given as"),
        ({"bound": 3.9}, "is not the objective"),
        ({"bound": None}, "is not the objective"),
        ({"bound": 4.000000000000001, "status": "feasible"}, "above the objective"),
        ({"bound": 3.0, "status": "feasible"}, "gap is given as"),
        ({"gap": 1e-9}, "gap is given as"),
        ({"gap": None}, "gap is given as"),
        ({"usage": {"size_bits": 6}}, "usage is given as"),
        ({"usage": None}, "usage is given as"),
        ({"usage": {"bops": 7}}, "usage is given as"),
        ({"capacity": {"size_bits": 8}}, "capacity is given as"),
        ({"multiplier": {"size_bits": -0.1}}, "below zero"),
        ({"multiplier": {"bops": 0.1}}, "does not exist"),
        ({"instance": "three"}, "the instance is 'two'"),
        ({"status": "infeasible"}, "there is a choice"),
        ({"status": "no_solution"}, "there is a choice"),
        ({"choice": None}, "there is no choice"),
    ],
)
def test_rejects_corrupted_solutions(changes: dict[str, Any], words: str) -> None:
    document = solve(TWO, "dp").to_dict()
    assert verify(TWO, document).proved
    verdict = verify(TWO, corrupt(document, **changes))
    assert verdict.finding is Finding.WRONG
    assert any(words in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "bitknap.solution/9"}, "expected 'bitknap.solution/1'"),
        ({"status": "best"}, "status of the solution must be one of optimal"),
        ({"objective": "4"}, "objective of the solution must be a finite number"),
        ({"bound": math.nan}, "bound of the solution must be a finite number"),
        ({"bound": True}, "bound of the solution must be a finite number"),
        ({"choice": ["1", "1", "0"]}, "choice of the solution must be an object"),
        ({"choice": {"c0": 1}}, "choice.c0 of the solution must be a string"),
        ({"usage": {"size_bits": 7.0}}, "usage.size_bits of the solution must be an integer"),
        ({"multiplier": {"size_bits": None}}, "multiplier.size_bits of the solution"),
    ],
)
def test_malformed_documents_name_the_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words.replace("(", r"\(")):
        verify(TWO, corrupt(solve(TWO, "dp").to_dict(), **changes))


def test_a_missing_key_is_named() -> None:
    document = solve(TWO, "dp").to_dict()
    del document["usage"]
    with pytest.raises(DataError, match="lacks the key 'usage'"):
        verify(TWO, document)


def test_wrong_optimum_that_adds_up_is_refuted_with_a_better_choice() -> None:
    verdict = verify(TWO, optimal(TWO, (0, 1, 0)))
    assert verdict.finding is Finding.WRONG
    assert verdict.better == {"c0": "1", "c1": "1", "c2": "0"}
    assert verdict.bound == 4.0


def test_what_rounding_may_explain_is_not_called_proven() -> None:
    near = build_instance([[(1.0, 5), (1.0 + 5e-13, 4)], [(1e-20, 0)]], 5)
    verdict = verify(near, optimal(near, (1, 0)))
    assert verdict.finding is Finding.UNPROVED
    assert verdict.better == {"c0": "0", "c1": "0"}
    assert "the rounding of a solver that adds float64 numbers" in verdict.reasons[-1]
    far = build_instance([[(1.0, 5), (1.0 + 2e-12, 4)], [(1e-20, 0)]], 5)
    assert verify(far, optimal(far, (1, 0))).finding is Finding.WRONG


def test_bug_a_cost_of_9000_among_1e16_was_proven_where_the_optimum_is_0() -> None:
    instance = build_instance([[(1e16, 0)], [(-1e16, 1), (9000.0 - 1e16, 0)]], 1)
    verdict = verify(instance, optimal(instance, (0, 1)))
    assert verdict.objective == 9000.0
    assert verdict.finding is Finding.UNPROVED
    assert "A feasible choice costs 0.0" in verdict.reasons[-1]


def test_a_cheaper_choice_that_float64_does_not_show_is_told() -> None:
    same = build_instance([[(1.0, 0)], [(0.0, 1), (1e-20, 0)]], 1)
    verdict = verify(same, optimal(same, (0, 1)))
    assert verdict.proved
    assert not verdict.exact
    assert "proven to the last bit" in verdict.reasons[-1]


def test_bug_verify_had_no_time_limit() -> None:
    instance = mpq.generate(54, seed=3)
    verdict = verify(instance, solve(instance, "dp").to_dict(), time_limit=0.0)
    assert verdict.finding is Finding.UNPROVED
    assert "within 0 s" in verdict.reasons[-1]


def test_a_bound_one_ulp_too_high_is_only_within_the_allowance() -> None:
    instance = build_instance([[(0.1, 1)], [(0.2, 1)], [(5.0, 1), (6.0, 0)]], 3)
    exact = Fraction(0.1) + Fraction(0.2) + 5
    high = math.nextafter(below(exact), math.inf)
    verdict = verify(instance, answer(instance, (0, 0, 0), min(high, 5.3), "feasible"))
    assert verdict.proved


def test_a_bad_multiplier_does_no_harm() -> None:
    for price in (0.0, 1e-300, 1e300):
        for resources in (1, 2):
            instance = mpq_multi.generate(12, resources=resources)
            found = solve(instance, "highs").to_dict()
            names = dict.fromkeys(instance.resources, price)
            assert verify(instance, found | {"multiplier": names}).proved


@pytest.mark.parametrize("bits", [(2, 4, 8), (2, 3, 4, 5, 6, 7, 8, 16)])
def test_proves_54_layers(bits: tuple[int, ...]) -> None:
    instance = mpq.generate(54, bits, seed=3)
    verdict = verify(instance, solve(instance, "core").to_dict())
    assert verdict.proved
    assert verdict.exact


def test_proves_54_layers_under_two_limits() -> None:
    instance = mpq_multi.generate(54, resources=2, seed=2)
    verdict = verify(instance, solve(instance, "highs").to_dict())
    assert verdict.proved


def test_infeasible_only_jointly_is_proven_by_search() -> None:
    items = [(0.0, (0, 3)), (0.0, (3, 0))]
    document = Solution(Status.INFEASIBLE, "hand", build_instance([items] * 5, (7, 7))).to_dict()
    assert verify(build_instance([items] * 5, (7, 7)), document).proved
    assert verify(build_instance([items] * 5, (6, 9)), document).finding is Finding.WRONG


@pytest.mark.parametrize("resources", [1, 2])
def test_too_few_states_is_unproved_not_wrong(resources: int) -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 10**6, (20, 3))
    items = [[(float(w), [int(w), int(10**6 - w)][:resources]) for w in row] for row in weights]
    shifted = [[(-c, w) for c, w in row] for row in items]
    capacity = [int(weights.mean(axis=1).sum()), int((10**6 - weights).mean(axis=1).sum())]
    instance = build_instance(shifted, capacity[:resources])
    lightest = [int(row.argmin()) for row in weights]
    if resources == 2:
        lightest = [int(np.argsort(row)[1]) for row in weights]
        instance = instance.with_capacity((instance.usage(lightest) + 3).tolist())
    verdict = verify(instance, optimal(instance, lightest), max_states=50)
    assert verdict.finding is Finding.UNPROVED
    assert "Could not prove its cost within 50 states" in verdict.reasons[-1]


def test_gap_of_a_negative_objective() -> None:
    instance = build_instance([[(-3.0, 2), (-1.0, 1)]], 2)
    document = answer(instance, (0,), -4.5, "feasible")
    assert document["gap"] == relative_gap(-3.0, -4.5) == 0.5
    assert verify(instance, document).proved


def test_imports_no_solver_and_no_arrays() -> None:
    problems = ("documents", "names", "schema")
    allowed = {"bitknap.problems", *(f"bitknap.problems.{name}" for name in problems)}
    allowed.add("__future__")
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level < 2
                names = [] if node.level else [node.module or ""]
            else:
                continue
            for name in names:
                assert name in allowed or name.split(".")[0] in sys.stdlib_module_names, path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return harness.run("verify", *arguments)


def test_command_exit_codes(tmp_path: Path) -> None:
    instance, good, bad, broken = (tmp_path / f"{name}.json" for name in "igbx")
    save_instance(TWO, instance)
    document = solve(TWO, "dp").to_dict()
    good.write_text(json.dumps(document))
    bad.write_text(json.dumps(corrupt(document, objective=3.5)))
    broken.write_text(json.dumps(corrupt(document, usage=3)))
    done = run(instance, good, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    verdict = json.loads(done.stdout)
    assert (verdict["finding"], verdict["bound"], verdict["exact"]) == ("proved", 4.0, True)
    done = run(instance, bad)
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert "objective is given as 3.5" in " ".join(done.stdout.split())
    done = run(instance, broken)
    assert done.returncode == 2
    assert f"{broken}: usage of the solution must be an object or null, got 3" in done.stderr
    done = run(instance, tmp_path / "none.json")
    assert done.returncode == 2
    assert "no such file" in done.stderr
