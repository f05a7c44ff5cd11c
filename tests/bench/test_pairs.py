"""Weight and activation bits from the command line to measured accuracy."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from bitknap.bench.confidence.bootstrap import Bootstrap
from bitknap.bench.confidence.resampled_plans import confidence
from bitknap.bench.job.evaluation import Evaluator
from bitknap.bench.job.results import Results, load_results
from bitknap.bench.job.run import Job, run_job
from bitknap.bench.job.ties import price_ties
from bitknap.bench.report.write import write_report
from bitknap.plans import apply_plan
from bitknap.plans.budgets import parse_budget
from bitknap.problems import (
    DataError,
    InfeasibleError,
    UnsupportedError,
    load_instance,
)
from bitknap.sensitivity import ActivationQuantizer, LayerPolicy, load_table
from bitknap.solvers import Status, solve

from .commands import call
from .tiny import tiny_workload


def pair_job(out: Path) -> Job:
    return Job(
        workload=tiny_workload(),
        metrics=("fisher", "loss"),
        bits=(2, 4, 8),
        budgets=tuple(map(parse_budget, ("w3a5", "w4a8", "4"))),
        solvers=("multi", "highs", "greedy"),
        samples=64,
        seed=0,
        out=out,
        policy=LayerPolicy(pin=(("@last", "w8a8"),)),
        activations=ActivationQuantizer((2, 4, 8)),
        measure=4,
        full=True,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_job(pair_job(tmp_path_factory.mktemp("pairs")), lambda text: None)


def test_optima_keep_size_and_bit_operations(done: Results) -> None:
    table = done.table
    macs = sum(layer.macs for layer in table.layers)
    for (metric, budget), instance in done.instances.items():
        found = [done.solutions[metric, budget, name] for name in ("multi", "highs")]
        assert {s.status for s in found} == {Status.OPTIMAL}
        assert found[0].objective == pytest.approx(found[1].objective, rel=1e-9)
        assert instance.class_names[-1] in (found[0].labels or {})
        assert (found[0].labels or {})[instance.class_names[-1]] == "w8a8"
        if budget == "4":
            assert instance.resources == ("size_bits",)
        else:
            assert instance.resources == ("size_bits", "bops")
    tight = done.instances["fisher", "w3a5"]
    assert tight.capacity[1] == macs * 15
    assert done.solutions["fisher", "w3a5", "greedy"].status is Status.UNSUPPORTED
    assert done.proved >= 1
    loose, held = (done.best("fisher", b).objective for b in ("4", "w4a8"))
    assert loose is not None
    assert held is not None
    assert loose <= held


def test_plans_are_measured_with_their_activations(done: Results) -> None:
    uniform = [m for m in done.measured if (m.plan, m.repair) == ("uniform", "none")]
    assert [m.budget for m in uniform] == [f"w{w}a{a}" for w in (2, 4, 8) for a in (2, 4, 8)]
    row = next(m for m in done.measured if m.plan == "fisher" and m.budget == "w3a5")
    again = apply_plan(tiny_workload().model, done.table, row.allocation)
    assert tiny_workload().evaluate(again) == row.accuracy
    few, many = (
        next(m for m in done.measured if m.budget == b and m.plan == "uniform")
        for b in ("w8a2", "w8a8")
    )
    assert few.average_bits == many.average_bits == 8
    assert few.accuracy.value < many.accuracy.value
    limits = done.instances["fisher", "w3a5"].capacity
    for m in done.measured:
        if m.plan == "random" and m.budget == "w3a5":
            items = done.table.positions(m.allocation)
            assert done.table.costs["size_bits"][items].sum() <= limits[0]
            assert done.table.costs["bops"][items].sum() <= limits[1]
            assert m.allocation[done.table.layers[-1].name] == "w8a8"


def test_the_report_and_the_results_read_back(
    done: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitknap.bench.report.resampled.RESAMPLES", 10)
    page = write_report(done.out).read_text()
    assert "w3a5" in page
    assert load_results(done.out).measured == done.measured


def test_a_second_run_reuses_all_and_another_calibration_nothing(done: Results) -> None:
    said: list[str] = []
    run_job(pair_job(done.out), said.append)
    assert not [text for text in said if text.startswith(("computing", "evaluating"))]
    table = load_table(done.out / "table.npz")
    assert table.activations is not None
    workload, path = tiny_workload(), done.out / "accuracies.jsonl"
    other = dataclasses.replace(
        table,
        activations=dataclasses.replace(table.activations, scale=table.activations.scale * 2),
    )
    quantizer = pair_job(done.out).quantizer
    assert not len(Evaluator(workload, quantizer, other, path, print).known)
    said.clear()
    symmetric = ActivationQuantizer((2, 4, 8), "symmetric")
    job = dataclasses.replace(pair_job(done.out), activations=symmetric, metrics=("fisher",))
    run_job(job, said.append)
    assert any("was made with other activation_quantizer" in text for text in said)
    run_job(pair_job(done.out), lambda text: None)


def test_confidence_and_ties_under_two_limits(done: Results) -> None:
    table, limits = done.table, parse_budget("w3a5").limits(done.table)
    plan = confidence(Bootstrap(table, "fisher", 20, 0), limits)
    best = solve(table.to_instance("fisher", limits), "brute")
    assert plan.objective == pytest.approx(best.objective)
    resampled = Bootstrap(table, "fisher", 20, 0)
    for cost, choice in zip(resampled.omega[:5], plan.choices, strict=False):
        instance = dataclasses.replace(plan.instance, cost=cost)
        assert instance.objective(choice) == pytest.approx(solve(instance, "brute").objective)
    policy = LayerPolicy(tie=("{0,3}",))
    tied = policy.apply(table)
    prices = price_ties(tied, "fisher", limits)
    assert prices.tied >= prices.free == pytest.approx(plan.objective)


def test_impossible_operations_are_refused_before_any_work(tmp_path: Path) -> None:
    job = dataclasses.replace(pair_job(tmp_path), budgets=(parse_budget("w3a1"),))
    with pytest.raises(InfeasibleError, match="bops, and the smallest feasible limit is"):
        run_job(job, lambda text: None)
    assert not list(tmp_path.iterdir())


def test_build_and_confidence_take_pairs(done: Results, tmp_path: Path) -> None:
    table, out = done.out / "table.npz", tmp_path / "i.json"
    call("build", table, "--budget", "3", "--max-bops", "300000", "--out", out)
    instance = load_instance(out)
    assert instance.resources == ("size_bits", "bops")
    assert instance.capacity[1] == 300000
    assert np.array_equal(instance.weight[1], load_table(table).costs["bops"])
    call("build", table, "--budget", "w3a5", "--out", out)
    assert load_instance(out).resources == ("size_bits", "bops")
    found = json.loads(
        call("confidence", table, "--budgets", "w3a5", "--resamples", "20", "--json")
    )
    assert found["budgets"][0]["layers"]["0"]["choice"].startswith("w")
    with pytest.raises(DataError, match="needs --activation-bits"):
        call("run", "--activation-quantizer", "symmetric")
    with pytest.raises(UnsupportedError, match="weight_mse says nothing of activations"):
        call("run", "--activation-bits", "4,8", "--metrics", "weight_mse")
    with pytest.raises(DataError, match="--activation-bits must be whole numbers"):
        call("run", "--activation-bits", "ternary,4")
