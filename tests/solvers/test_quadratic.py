"""One table of promises that every solver of quadratic instances keeps."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import Instance, SolverError, build_instance
from bitknap.problems.library import find_quadratic, quadratic_names
from bitknap.problems.quadratic import QuadraticInstance
from bitknap.solvers import Limits, Outcome, Status
from bitknap.solvers.quadratic import (
    QUADRATIC,
    load_quadratic_solver,
    solve_quadratic,
    verify_quadratic,
)

from ..reference import feasible_choices, quadratic_brute_force
from .conftest import random_instance

NAMES = QUADRATIC.names()
EXACT = [name for name in NAMES if load_quadratic_solver(name).exact]
QUICK = [name for name in NAMES if name != "quadratic_scip"]

MATRICES = ("scores", "few samples", "indefinite", "non-negative", "integers", "zero", "far apart")


def random_quadratic(seed: int, resources: int = 1, ties: bool = False) -> QuadraticInstance:
    """A small instance with a matrix of some kind; half of them have a linear part as well."""
    rng = np.random.default_rng([seed, 7])
    knapsack = random_instance(seed, "mixed signs", resources)
    n = knapsack.n_items
    if seed % 2:
        knapsack = dataclasses.replace(knapsack, cost=np.zeros(n))
    if ties and len(knapsack) > 2:
        size = int(min(knapsack.sizes[0], knapsack.sizes[-1]))
        if knapsack.sizes[0] == knapsack.sizes[-1] or size:
            knapsack = dataclasses.replace(knapsack, ties=((0, len(knapsack) - 1),))
    kind = MATRICES[seed % len(MATRICES)]
    if kind in ("scores", "few samples"):
        scores = rng.normal(size=(3 if kind == "few samples" else 40, n))
        return QuadraticInstance.from_scores(knapsack, scores, float(rng.choice([0.0, 0.3])))
    half = {
        "indefinite": lambda: rng.normal(size=(n, n)),
        "non-negative": lambda: rng.random((n, n)),
        "integers": lambda: rng.integers(-4, 5, (n, n)).astype(float),
        "zero": lambda: np.zeros((n, n)),
        "far apart": lambda: 10.0 ** rng.uniform(-9, 3, (n, n)) * rng.choice([-1, 1], (n, n)),
    }[kind]()
    return QuadraticInstance(knapsack, half + half.T)


def check(name: str, problem: QuadraticInstance) -> None:
    truth = quadratic_brute_force(problem)
    solution = solve_quadratic(problem, name)
    if truth is None:
        assert solution.choice is None
        return
    least = truth[0]
    if solution.bound is not None:
        assert Fraction(solution.bound) <= least + abs(least) / 2**50, (name, problem.name)
    if solution.choice is None:
        assert not load_quadratic_solver(name).exact
        return
    assert problem.knapsack.is_feasible(solution.choice)
    assert solution.objective == float(problem.exact_objective(solution.choice))
    if load_quadratic_solver(name).exact:
        assert solution.status is Status.OPTIMAL, (name, problem.name, solution)
        slack = 1e-9 * sum(map(abs, problem.terms(solution.choice)))
        assert abs(problem.exact_objective(solution.choice) - least) <= Fraction(slack)


def exact_value(problem: QuadraticInstance) -> float:
    truth = quadratic_brute_force(problem)
    assert truth is not None
    return float(truth[0])


@pytest.mark.parametrize("name", NAMES)
def test_random_instances_agree_with_brute_force(name: str) -> None:
    for seed in range(42):
        check(name, random_quadratic(seed))


@pytest.mark.parametrize("name", QUICK)
def test_several_resources(name: str) -> None:
    for seed in range(14):
        check(name, random_quadratic(seed, resources=2))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_two_thousand_random_instances(block: int) -> None:
    for seed in range(10_000 + 100 * block, 10_100 + 100 * block):
        for name in QUICK:
            check(name, random_quadratic(seed))


@pytest.mark.parametrize("name", NAMES)
def test_ties_are_kept(name: str) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        classes = [[(0.0, int(rng.integers(9))) for _ in range(3)] for _ in range(4)]
        knapsack = build_instance(classes, int(rng.integers(14, 33)), ties=((0, 2, 3),))
        if feasible_choices(knapsack):
            check(name, QuadraticInstance.from_scores(knapsack, rng.normal(size=(5, 12))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "knapsack",
    [
        build_instance([[(1.0, 1)]], 1, name="one item"),
        build_instance([[(2.0, 5), (2.0, 5), (2.0, 5)]] * 3, 15, name="equal items"),
        build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 2, name="capacity at the minimum"),
        build_instance(
            [[(4, 1 << 59), (1, 1 << 60)], [(2, 3), (1, 5)]], (1 << 60) + 4, name="heavy"
        ),
    ],
    ids=lambda knapsack: knapsack.name,
)
def test_hand_made(name: str, knapsack: Instance) -> None:
    n = knapsack.n_items
    check(name, QuadraticInstance(knapsack, np.ones((n, n))))
    check(name, QuadraticInstance(knapsack, np.zeros((n, n))))


@pytest.mark.parametrize("name", NAMES)
def test_one_below_the_minimum_is_infeasible(name: str) -> None:
    knapsack = build_instance([[(3, 7), (1, 9)], [(5, 4)]], 10)
    solution = solve_quadratic(QuadraticInstance(knapsack, np.eye(3)), name)
    assert solution.status is Status.INFEASIBLE
    assert "the smallest feasible limit is 11" in solution.message


@pytest.mark.parametrize("name", QUICK)
def test_same_answer_twice_and_no_false_claim_without_time(name: str) -> None:
    for seed in range(8):
        problem = random_quadratic(seed)
        first, second = solve_quadratic(problem, name), solve_quadratic(problem, name)
        assert first.bound == second.bound
        assert first.objective == second.objective
        hurried = solve_quadratic(problem, name, limits=Limits(time=1e-9, states=1))
        if hurried.bound is not None:
            least = exact_value(problem)
            assert hurried.bound <= least + 1e-15 * abs(least)


@pytest.mark.parametrize("name", EXACT)
def test_a_larger_instance_is_solved_and_its_bound_holds_under_limits(name: str) -> None:
    problem = larger(12)
    solution = solve_quadratic(problem, name)
    assert solution.status is Status.OPTIMAL
    for nodes in (1, 5):
        stopped = solve_quadratic(problem, name, limits=Limits(states=nodes))
        assert stopped.bound is not None
        assert solution.objective is not None
        assert stopped.bound <= solution.objective
    exchanged = solve_quadratic(problem, "exchange")
    assert exchanged.objective is not None
    assert exchanged.objective >= solution.objective * (1 - 1e-12)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if "resnet18_2" in name else [pytest.mark.slow])
        for name in quadratic_names()
    ],
)
def test_real_networks_are_proven(name: str) -> None:
    problem = find_quadratic(name)
    assert problem is not None
    solution = solve_quadratic(problem, time_limit=300)
    assert solution.status is Status.OPTIMAL
    assert solution.objective == pytest.approx(problem.best, rel=1e-9)
    relaxed = solve_quadratic(problem, "frank_wolfe")
    assert relaxed.bound is not None
    assert problem.best is not None
    assert 0.0 < relaxed.bound < problem.best


def larger(layers: int) -> QuadraticInstance:
    """Layers with 2, 3, 4 and 8 bits; correlated scores that fall fourfold a bit."""
    rng = np.random.default_rng(layers)
    bits = np.array([2, 3, 4, 8])
    sizes = rng.integers(10, 200, layers)
    classes = [[(0.0, int(size * b)) for b in bits] for size in sizes]
    scores = rng.normal(size=(64, layers, 1)) + 0.3 * rng.normal(size=(64, layers, 4))
    scores = scores * 2.0 ** -(bits - 2)
    knapsack = build_instance(classes, int(2.6 * sizes.sum()), name=f"{layers} layers")
    return QuadraticInstance.from_scores(knapsack, scores.reshape(64, -1))


def test_without_products_it_is_the_knapsack() -> None:
    for seed in range(20):
        knapsack = random_instance(seed, "mixed signs")
        n = knapsack.n_items
        solution = solve_quadratic(QuadraticInstance(knapsack, np.zeros((n, n))))
        assert solution.objective == pytest.approx(
            float(feasible_choices(knapsack)[0][0]), rel=1e-9
        )


def test_no_exchange_of_two_classes_lowers_what_exchange_finds() -> None:
    problem = larger(6)
    choice = solve_quadratic(problem, "exchange").choice
    assert choice is not None
    value = problem.objective(choice)
    for a in range(6):
        for b in range(a):
            for i in range(4):
                for j in range(4):
                    other = choice.copy()
                    other[[a, b]] = i, j
                    if problem.knapsack.is_feasible(other):
                        assert problem.objective(other) >= value * (1 - 1e-9)


@dataclasses.dataclass(frozen=True)
class Claims:
    """A solver that claims what it is told to."""

    outcome: Outcome

    exact = False
    requires = ()

    def supports(self, problem: QuadraticInstance) -> str | None:
        return None

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome(Status.OPTIMAL), "gives no choice"),
        (Outcome(Status.INFEASIBLE), "the lightest choice fits"),
        (Outcome(Status.NO_SOLUTION, np.array([0, 0])), "yet gives a choice"),
        (Outcome(Status.FEASIBLE, np.array([0, 9])), "has items 0 to 1"),
        (Outcome(Status.FEASIBLE, np.array([1, 1])), "above the capacity 4"),
        (Outcome(Status.FEASIBLE, np.array([0, 0]), objective=1.0), "recomputed 8.5"),
        (Outcome(Status.FEASIBLE, np.array([0, 0]), bound=9.0), "above its objective"),
        (Outcome(Status.OPTIMAL, np.array([0, 0]), bound=8.0), "but bounds it by 8.0"),
        (Outcome(Status.OPTIMAL, np.array([0, 0]), bound=8.5), "a change of class 'c1' improves"),
    ],
)
def test_false_claims_are_refused(outcome: Outcome, message: str) -> None:
    knapsack = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    matrix = np.zeros((4, 4))
    matrix[0, 0] = 1.0
    with pytest.raises(SolverError, match=message):
        solve_quadratic(QuadraticInstance(knapsack, matrix), Claims(outcome))


def test_verify_proves_small_optima_and_refutes_false_ones() -> None:
    for seed in range(20):
        problem = random_quadratic(seed)
        document = solve_quadratic(problem).to_dict()
        assert verify_quadratic(problem, document).proved
        assert verify_quadratic(problem, document | {"objective": 1e9}).finding == "wrong"
        assert verify_quadratic(problem, document, max_choices=0).finding == "unproved"
        worst = max(feasible_choices(problem.knapsack), key=lambda c: problem.objective(c[1]))[1]
        value = problem.objective(worst)
        if value > document["objective"] + 1e-6:
            false = document | {
                "choice": problem.knapsack.by_label(worst),
                "usage": dict(
                    zip(("size_bits", "r0"), problem.knapsack.usage(worst).tolist(), strict=False)
                ),
                "objective": value,
                "bound": value,
                "gap": 0.0,
            }
            verdict = verify_quadratic(problem, false)
            assert verdict.finding == "wrong"
            assert verdict.better is not None
            better = problem.knapsack.from_labels(verdict.better)
            assert problem.objective(better) < value


def test_bug_an_oracle_out_of_time_closed_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # The knapsack's solver may end without a choice: nothing is proven, and the tree goes on.
    from bitknap.solvers import registry
    from bitknap.solvers.base import Solution

    def ended(part: Instance, **_: object) -> Solution:
        return Solution(Status.NO_SOLUTION, "multi", part)

    monkeypatch.setattr(registry, "solve", ended)
    for seed in range(14):
        problem = random_quadratic(seed, resources=2)
        check("quadratic_branch_bound", problem)
        json.dumps(solve_quadratic(problem).to_dict(), allow_nan=False)
