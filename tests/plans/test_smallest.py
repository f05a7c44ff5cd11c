"""The smallest plan of at most a damage: measured on both halves, refused where none will do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

import bitknap
from bitknap.bench.job.run import run_job
from bitknap.plans.measure import Measurer
from bitknap.plans.smallest import smallest_plan
from bitknap.plans.yardsticks import yardstick
from bitknap.problems import DataError, InfeasibleError
from bitknap.sensitivity import LayerPolicy, SensitivityTable
from bitknap.sensitivity.tracing.batches import default_forward
from bitknap.solvers.frontier import frontier

from ..bench.commands import call
from ..bench.tiny import quiet, tiny_job

Case = tuple[nn.Module, list[Any], SensitivityTable]


def measurer(scored: Case, **options: Any) -> Measurer:
    model, batches, table = scored
    return Measurer(model, table, batches, default_forward, yardstick("kl"), name="kl", **options)


def size(table: SensitivityTable, plan: Any) -> int:
    return int(table.costs["size_bits"][table.positions(plan)].sum())


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("repair", ["auto", "none"])
def test_the_plan_is_within_and_the_one_below_it_is_not(
    scored: Case, share: float, repair: str
) -> None:
    _, _, table = scored
    measure = measurer(scored, repair=repair)
    limit = share * float(measure.both(table.uniform("2")).mean())
    found = smallest_plan(table, limit, measure, 100)
    assert all(measure(found.plan, half).mean() <= limit for half in (0, 1))
    assert found.damage == pytest.approx(measure.both(found.plan).mean())
    assert found.evaluations <= 60
    front = frontier(table.to_instance(found.origin, {"size_bits": 10**6}))
    at = front.usage.tolist().index(size(table, found.plan))
    assert at > 0
    before = front.instance.by_label(front.choice(at - 1))
    assert max(measure(before, half).mean() for half in (0, 1)) > limit
    assert found.candidates[0].name == found.origin


def test_looser_damages_give_smaller_plans_and_few_evaluations_keep_the_promise(
    scored: Case,
) -> None:
    _, _, table = scored
    sizes = [
        size(table, smallest_plan(table, limit, measurer(scored), 100).plan)
        for limit in (1e-5, 1e-4, 1e-3)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1
    measure = measurer(scored)
    hasty = smallest_plan(table, 1e-4, measure, 4)
    assert max(measure(hasty.plan, half).mean() for half in (0, 1)) <= 1e-4
    assert size(table, hasty.plan) >= sizes[1]


def test_a_plan_for_a_damage_says_so(scored: Case) -> None:
    model, batches, _ = scored
    policy = LayerPolicy(pin=(("0", "8"),))
    plan = bitknap.plan(model, batches, damage=1e-4, policy=policy, choices=(2, 3, 4, 8))
    assert plan.choices["0"] == "8"
    assert plan.budget == "damage 0.0001"
    assert plan.measured.damage <= 1e-4
    assert plan.prediction.metric == "fisher"


def test_impossible_and_odd_damages_are_refused(scored: Case) -> None:
    model, batches, table = scored
    with pytest.raises(InfeasibleError, match=r"at most 1e-12: the largest one, .* has \d"):
        smallest_plan(table, 1e-12, measurer(scored), 100)
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DataError, match="positive number"):
            bitknap.plan(model, batches, damage=value)
    with pytest.raises(DataError, match="measure= must be 1 or more"):
        bitknap.plan(model, batches, damage=0.1, measure=0)
    with pytest.raises(DataError, match="got 2"):
        bitknap.plan(model, batches, damage=0.1, bits=3)


def test_the_job_finds_it_beside_the_budgets(tmp_path: Path) -> None:
    done = run_job(tiny_job(tmp_path, max_kl=0.05), quiet)
    assert done.recommended["0.05KL"].damage <= 0.05
    assert (tmp_path / "plans" / "0.05KL.json").exists()
    rows = [m for m in done.measured if m.budget == "0.05KL"]
    assert {m.repair for m in rows} == {"none", "auto"}
    with pytest.raises(DataError, match="--measure must be 1 or more"):
        call("run", "--max-kl", "0.1", "--measure", "0")
    with pytest.raises(DataError, match="positive number"):
        call("run", "--max-kl", "-1")
