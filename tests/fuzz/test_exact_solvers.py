"""What is called proven is true to the last bit, whatever the range of costs and weights."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from bitknap.problems import Instance
from bitknap.solvers import Status, solve
from bitknap.solvers.frontier import frontier
from bitknap.solvers.topk import top_k
from bitknap.solvers.verify import verify

from .extreme import KINDS, extreme_instance
from .oracle import ranking, staircase


def exact_cost(instance: Instance, choice: object) -> Fraction:
    at = instance.positions(choice)  # type: ignore[arg-type]
    return sum(map(Fraction, instance.cost[at].tolist()), Fraction(0))


def check_solvers(instance: Instance, best: Fraction | None, names: tuple[str, ...]) -> None:
    for name in names:
        solution = solve(instance, name)
        if best is None:
            assert solution.status is Status.INFEASIBLE, (name, instance.name)
            continue
        assert solution.status is Status.OPTIMAL, (name, instance.name, solution.message)
        assert exact_cost(instance, solution.choice) == best, (name, instance.name)
        assert solution.objective == float(best)


def check_frontier(instance: Instance) -> None:
    truth: list[tuple[int, float]] = []
    for usage, cost in staircase(instance):
        if not truth or float(cost) < truth[-1][1]:
            truth.append((usage, float(cost)))
    found = frontier(instance)
    assert found.exact
    pairs = list(zip(found.usage.tolist(), found.objective.tolist(), strict=True))
    assert pairs == truth, instance.name
    capacity = int(instance.capacity[0])
    if capacity >= found.usage[0]:
        within = [cost for usage, cost in truth if usage <= capacity]
        part = frontier(instance, lowest=capacity, highest=capacity)
        assert part.objective.tolist() == within[-1:], instance.name


def check_ranking(instance: Instance, costs: list[Fraction]) -> None:
    found = top_k(instance, len(costs))
    assert [exact_cost(instance, a.choice) for a in found] == costs, instance.name
    assert len({tuple(a.choice.tolist()) for a in found}) == len(costs)


def check_verify(instance: Instance, costs: list[Fraction]) -> None:
    solver = "dp" if instance.n_resources == 1 else "multi"
    document = json.loads(json.dumps(solve(instance, solver).to_dict()))
    verdict = verify(instance, document)
    assert verdict.proved, (instance.name, verdict.reasons)
    assert verdict.exact
    if len(costs) > 1 and float(costs[1]) > float(costs[0]):
        worse = top_k(instance, 2, solver)[1]
        usage = dict(zip(instance.resources, instance.usage(worse.choice).tolist(), strict=True))
        claim = {"objective": worse.objective, "bound": worse.objective, "usage": usage}
        claim["choice"] = instance.by_label(worse.choice)
        assert not verify(instance, document | claim).proved, instance.name


def check(seed: int) -> None:
    """The quick methods on every instance, the others in turn."""
    turn = seed // len(KINDS)
    instance = extreme_instance(seed, 2 if turn % 10 == 0 else 1)
    costs = ranking(instance, 1 + turn % 5)
    best = costs[0] if costs else None
    if instance.n_resources == 1:
        check_solvers(instance, best, ("core", "dp", "branch_bound"))
        if turn % 3 == 1:
            check_frontier(instance)
    if turn % 10 == 0:
        check_solvers(instance, best, ("multi",))
    if costs and turn % 3 != 1:
        check_ranking(instance, costs)
        if turn % 7 == 0:
            check_verify(instance, costs)


def test_a_hundred_extreme_instances() -> None:
    for seed in range(100):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_a_hundred_thousand_extreme_instances(block: int) -> None:
    for seed in range(1000 * (block + 1), 1000 * (block + 2)):
        check(seed)
