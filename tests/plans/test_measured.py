"""Measured plans: never worse than a candidate, within the budget, the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bitknap
from bitknap.plans import kept, measure
from bitknap.plans.measure import Measurer, halves
from bitknap.plans.search import MeasuredPlan, _ranking, measured_plan
from bitknap.plans.yardsticks import yardstick
from bitknap.problems import DataError, Instance, UnsupportedError
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.tracing.batches import default_forward
from bitknap.solvers.quadratic.exchange import ranked


@pytest.fixture(scope="module")
def case(
    scored: tuple[nn.Module, list[Any], SensitivityTable],
) -> tuple[nn.Module, list[Any], SensitivityTable, Instance]:
    model, batches, table = scored
    instance = table.to_instance("fisher", {"size_bits": table.capacity(3.0)})
    return model, batches, table, instance


def measurer(case: Any, path: Path | None = None) -> Measurer:
    model, batches, table, _ = case
    return Measurer(model, table, batches, default_forward, yardstick("kl"), name="kl", path=path)


def found(case: Any, measure: Measurer, evaluations: int = 60) -> MeasuredPlan:
    _, _, table, instance = case
    candidates = {"uniform": table.uniform("2")}
    for metric in table.metrics:
        costs = table.to_instance(metric, {"size_bits": int(instance.capacity[0])})
        labels = bitknap.solve(costs, "core").labels
        assert labels is not None
        candidates[metric] = dict(labels)
    return measured_plan(instance, table, candidates, measure, evaluations)


def test_a_measured_plan_is_no_worse_than_any_candidate(case: Any) -> None:
    measure = measurer(case)
    result = found(case, measure)
    instance = case[3]
    assert instance.is_feasible(instance.from_labels(dict(result.plan)))
    assert result.evaluations == measure.evaluations <= 60
    assert result.damage == pytest.approx(measure.both(result.plan).mean())
    for row in result.candidates:
        assert row.behind >= 0 or row.samples < 48


def test_exchanges_improve_a_poor_candidate_and_keep_the_budget(case: Any) -> None:
    _, _, table, instance = case
    measure, start = measurer(case), table.uniform("2")
    result = measured_plan(instance, table, {"uniform": start}, measure, 60)
    assert result.exchanges > 0
    assert instance.is_feasible(instance.from_labels(dict(result.plan)))
    for half in (0, 1):
        assert measure(result.plan, half).mean() < measure(start, half).mean()


def test_the_race_alone_takes_the_best_candidate(case: Any) -> None:
    measure = measurer(case)
    result = found(case, measure, 0)
    assert result.exchanges == 0
    assert result.candidates[0].name == result.origin
    assert result.candidates[0].behind == 0


def test_a_second_search_measures_nothing_and_finds_the_same(case: Any, tmp_path: Path) -> None:
    path = tmp_path / "damages.jsonl"
    first = found(case, measurer(case, path))
    again = measurer(case, path)
    second = found(case, again)
    assert again.networks == 0
    assert second.evaluations == first.evaluations
    assert second.plan == first.plan
    assert second.candidates == first.candidates


def test_damages_of_other_data_are_dropped(case: Any, tmp_path: Path) -> None:
    path = tmp_path / "damages.jsonl"
    model, batches, table, _ = case
    found(case, measurer(case, path), 0)
    other = Measurer(
        model, table, batches[:4], default_forward, yardstick("kl"), name="kl", path=path
    )
    other(table.uniform("2"), 0)
    assert other.networks == 1


def test_the_float_plan_has_no_damage_and_kl_is_the_textbook_s(case: Any) -> None:
    model, _, table, _ = case
    measure = measurer(case)
    plan = table.uniform("2")
    network = bitknap.apply_plan(
        model, table, plan, calibration=measure.halves[0], repair="rounding,bias"
    )
    wanted = []
    with torch.no_grad():
        for x, _ in measure.halves[1]:
            p, q = (m(x).softmax(dim=1) for m in (model, network))
            wanted += (p * (p / q).log()).sum(dim=1).tolist()
    assert measure(plan, 1) == pytest.approx(np.array(wanted))


@pytest.mark.parametrize("metric", ["fisher", "weight_mse"])
def test_exchanges_are_ranked_by_the_predicted_cost(case: Any, metric: str) -> None:
    _, _, whole, instance = case
    scores = {name: values for name, values in whole.scores.items() if name == metric}
    table = replace(whole, omega={metric: whole.omega[metric]}, scores=scores)
    choice = instance.from_labels(table.uniform("2"))

    def predicted(at: Any) -> float:
        items = instance.positions(at)
        if metric == "weight_mse":
            return float(table.omega[metric][items].sum())
        total = table.scores[metric][:, items].astype(np.float64).sum(axis=1)
        return float(np.square(total).mean() / 2)

    found = ranked(_ranking(instance, table), choice, 10_000)
    costs = [predicted(at) for at in found]
    assert costs == sorted(costs) or np.all(np.diff(costs) >= -1e-12)
    neighbours = {
        tuple(int(v) for v in at)
        for at in np.ndindex(*instance.sizes.tolist())
        if 1 <= int((np.array(at) != choice).sum()) <= 2 and instance.is_feasible(np.array(at))
    }
    assert {tuple(int(v) for v in at) for at in found} == neighbours


def test_halves_and_refusals(case: Any) -> None:
    first, second = halves([(torch.arange(5.0)[:, None], torch.arange(5))])
    assert first[0][1].tolist() == [0, 2, 4]
    assert second[0][1].tolist() == [1, 3]
    with pytest.raises(DataError, match="two calibration samples"):
        halves([(torch.zeros(1, 2), torch.zeros(1))])
    with pytest.raises(UnsupportedError, match="one of auto, kl, agreement, loss"):
        yardstick("mse")
    with pytest.raises(UnsupportedError, match="needs the loss"):
        yardstick("loss")
    with pytest.raises(DataError, match="no candidate plan"):
        measured_plan(case[3], case[2], {}, measurer(case), 10)


def test_agreement_and_loss_are_measured(case: Any) -> None:
    model, batches, table, _ = case

    def loss(output: Any, batch: Any) -> Any:
        return nn.functional.cross_entropy(output, batch[1], reduction="none")

    for name in ("agreement", "loss"):
        measure = Measurer(model, table, batches, default_forward, yardstick(name, loss))
        values = measure(table.uniform("2"), 0)
        assert values.shape == (24,)
        assert bool(values.any())


def test_damage_of_a_regression_is_the_increase_of_its_loss() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).eval()
    batches = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(4)]

    def loss(output: Any, batch: Any) -> Any:
        return (output - batch[1]).square().mean(dim=1)

    plan = bitknap.plan(model, batches, bits=3, loss_fn=loss, measure=6)
    table = plan.table
    measure = Measurer(model, table, batches, default_forward, yardstick("auto", loss))
    network = bitknap.apply_plan(
        model, table, plan.choices, calibration=measure.halves[0], repair="rounding,bias"
    )
    wanted = [loss(network(x), (x, y)) - loss(model(x), (x, y)) for x, y in measure.halves[0]]
    assert measure(plan.choices, 0) == pytest.approx(torch.cat(wanted).detach().numpy(), abs=1e-6)


def test_a_plan_that_looks_worse_is_given_up_early_and_goes_on_later(
    case: Any, tmp_path: Path
) -> None:
    _, _, table, _ = case
    measure = measurer(case, tmp_path / "damages.jsonl")
    good, bad = table.uniform("8"), table.uniform("2")
    best = measure(good, 0)
    early = measure(bad, 0, best)
    assert 8 <= len(early) < len(best)
    assert measure.evaluations == 2
    again = measurer(case, tmp_path / "damages.jsonl")
    assert np.array_equal(again(bad, 0, best), early)
    assert again.networks == 0
    whole = again(bad, 0)
    assert again.networks == 1
    assert np.array_equal(whole[: len(early)], early)
    assert np.array_equal(whole, measurer(case)(bad, 0))
    assert len(measure(good, 0, measure(bad, 0))) == len(best)


def test_searches_round_weights_where_they_can_be_kept(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measurer(case).repair == "rounding,bias"
    rounded = measurer(case)(case[2].uniform("2"), 0)
    monkeypatch.setattr(kept, "MOST", 100)
    monkeypatch.setattr(measure, "MOST", 100)
    assert measurer(case).repair == "bias"
    model, batches, table, _ = case
    named = Measurer(
        model, table, batches, default_forward, yardstick("kl"), repair="rounding,bias"
    )
    assert np.array_equal(named(table.uniform("2"), 0), rounded)
