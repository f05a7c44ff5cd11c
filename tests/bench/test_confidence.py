"""Bootstrap of plans against loops over samples and other exact solvers."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from bitknap.bench.confidence.bootstrap import Bootstrap, Resolver
from bitknap.bench.confidence.plan_comparison import compare, robust_plan
from bitknap.bench.confidence.resampled_plans import confidence
from bitknap.bench.confidence.tables import stability_map
from bitknap.bench.figures.confidence import draw_stability
from bitknap.bench.figures.style import save
from bitknap.problems import DataError, InfeasibleError, build_instance
from bitknap.solvers import solve

from .tables import STATISTICS, made_table, random_table


@pytest.mark.parametrize("statistic", STATISTICS)
def test_omega_of_a_resample_is_that_of_the_samples_drawn(statistic: str) -> None:
    table = random_table(samples=12, statistic=statistic)
    found = Bootstrap(table, "fisher", resamples=5, seed=3)
    counts = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=5)
    for row, omega in zip(counts, found.omega, strict=True):
        again = made_table(
            np.repeat(table.scores["fisher"], row, axis=0),
            [layer.numel for layer in table.layers],
            statistic=statistic,
        )
        assert omega == pytest.approx(again.omega["fisher"], rel=1e-12)


def test_draws_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table()
    whole = Bootstrap(table, "fisher", 50).omega
    monkeypatch.setattr("bitknap.bench.confidence.bootstrap._BLOCK", 7 * 40)
    assert Bootstrap(table, "fisher", 50).omega == pytest.approx(whole, rel=1e-14)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_spread_over_resamples_is_the_standard_error(statistic: str) -> None:
    """Where an absolute mean is far from 0, for it folds there."""
    scores = random_table(samples=300).scores["fisher"]
    table = made_table(scores - 5 * scores.std(axis=0), [30] * 6, statistic=statistic)
    found = Bootstrap(table, "fisher", 4000)
    assert found.omega.std(axis=0) == pytest.approx(table.standard_error("fisher"), rel=0.07)
    plan = np.arange(6) * 3 + np.array([0, 1, 2, 0, 1, 2])
    assert found.losses(plan).std() == pytest.approx(found.standard_error(plan), rel=0.07)
    sign = np.sign(found.terms.mean(axis=0)) if statistic == "absolute_mean" else 1
    by_hand = (found.terms * sign)[:, plan].sum(axis=1).std(ddof=1) / math.sqrt(300)
    assert found.standard_error(plan) == pytest.approx(by_hand)


def test_every_resample_is_solved_exactly() -> None:
    table = random_table()
    found = Bootstrap(table, "fisher", 60)
    plan = confidence(found, table.capacity(3.5))
    for omega, choice in zip(found.omega, plan.choices, strict=True):
        other = dataclasses.replace(table, omega={"fisher": omega}, metric_cost={})
        instance = other.to_instance("fisher", table.capacity(3.5))
        reference = solve(instance, "brute")
        assert reference.objective is not None
        assert instance.is_feasible(choice)
        assert instance.objective(choice) == pytest.approx(reference.objective, rel=1e-12)


def test_counts_intervals_and_excess() -> None:
    table = random_table()
    found = Bootstrap(table, "fisher", 200)
    plan = confidence(found, table.capacity(3.5), level=0.9)
    assert plan.objective == solve(plan.instance, "dp").objective
    for i in range(6):
        keeps = sum(int(choice[i] == plan.choice[i]) for choice in plan.choices)
        assert plan.kept[i] == keeps / 200
        span = slice(3 * i, 3 * i + 3)
        assert plan.frequency[span].sum() == pytest.approx(1)
        assert plan.frequency[span][plan.choice[i]] == plan.kept[i]
    assert 0 < plan.same <= min(plan.kept) < 1
    losses = np.sort(found.losses(plan.instance.positions(plan.choice)))
    assert losses[9] <= plan.interval[0] <= losses[10]
    assert losses[189] <= plan.interval[1] <= losses[190]
    assert plan.interval[0] < plan.objective < plan.interval[1]
    again = [plan.instance.objective(choice) - plan.objective for choice in plan.choices]
    assert plan.excess == pytest.approx(np.maximum(again, 0), abs=1e-12)
    assert (plan.excess[(plan.choices == plan.choice).all(axis=1)] < 1e-12).all()


def test_prefixes_are_plans_of_the_first_samples() -> None:
    table = random_table(samples=40)
    plan = confidence(Bootstrap(table, "fisher", 5), table.capacity(3.5))
    assert [p.samples for p in plan.prefixes] == [1, 2, 4, 8, 16, 32]
    for prefix in plan.prefixes:
        first = made_table(
            table.scores["fisher"][: prefix.samples], [layer.numel for layer in table.layers]
        )
        choice = solve(first.to_instance("fisher", table.capacity(3.5)), "dp").choice
        assert choice is not None
        assert prefix.changed == int((choice != plan.choice).sum())
        excess = plan.instance.objective(choice) - plan.objective
        assert prefix.excess == pytest.approx(excess, abs=1e-12)


def test_equal_samples_are_certain_and_a_late_change_never_settles() -> None:
    row = random_table(samples=2).scores["fisher"][:1]
    same = made_table(np.repeat(row, 16, axis=0), [30, 40, 50, 60, 70, 80])
    plan = confidence(Bootstrap(same, "fisher", 20), same.capacity(3.5))
    assert (plan.same, plan.settled_at, plan.standard_error) == (1.0, 1, pytest.approx(0))
    scores = np.ones((16, 2 * 3)) * np.array([3, 1, 0.1, 2, 1, 0.1])
    scores[:8, 3:] *= 100
    scores[8:, :3] *= 1000
    late = made_table(scores, [50, 50])
    plan = confidence(Bootstrap(late, "fisher", 20), late.capacity(5))
    assert plan.choice.tolist() == [2, 0]
    assert [p.changed for p in plan.prefixes] == [2, 2, 2, 2]
    assert plan.settled_at is None


def test_probability_that_one_plan_beats_another() -> None:
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(400, 6)) + np.array([5, 1, 0, 5.05, 1, 0])
    table = made_table(scores, [50, 50], statistic="mean")
    found = Bootstrap(table, "fisher", 20_000)
    a, b = np.array([0, 4]), np.array([1, 3])
    result = compare(found, a, b)
    gap = (scores[:, a] - scores[:, b]).sum(axis=1)
    z = -gap.mean() / (gap.std(ddof=1) / 20)
    assert 0.05 < norm.cdf(z) < 0.95
    assert result.better == pytest.approx(norm.cdf(z), abs=0.02)
    assert result.loss_a - result.loss_b == pytest.approx(gap.mean())
    assert result.interval[0] < gap.mean() < result.interval[1]
    back = compare(found, b, a)
    assert back.better == pytest.approx(1 - result.better)
    assert compare(found, a, a).equal == 1
    assert compare(found, np.array([2, 5]), np.array([0, 3])).better == 1


def test_robust_plan_pays_for_certainty() -> None:
    """One layer is worse on average at 4 bits, but certain; the other's gain is a gamble."""
    certain, wild = np.ones(100), np.where(np.arange(100) % 10, 0.0, 10.3)
    scores = np.stack([certain * 2.0, certain, certain * 0.0] * 2, axis=1)
    scores[:, 3:] = np.stack([wild + 1.0, certain, certain * 0.0], axis=1)
    scores[:, 0] = 2.1
    table = made_table(scores, [50, 50], statistic="mean")
    found = Bootstrap(table, "fisher", 500)
    plan = confidence(found, table.capacity(3))
    assert plan.choice.tolist() == [1, 0]
    assert plan.standard_error > 0.1
    same = robust_plan(found, plan, errors=0)
    assert (same.choice.tolist(), same.price) == ([1, 0], 0.0)
    for asked in ({"errors": 2.0}, {"quantile": 0.9}):
        safe = robust_plan(found, plan, **asked)
        assert safe.choice.tolist() == [0, 1]
        assert safe.price == pytest.approx(0.07)
        assert safe.standard_error == pytest.approx(0)
        assert safe.interval[1] < plan.interval[1]


def test_ties_hold_in_every_solve() -> None:
    draw = np.random.default_rng(2)
    classes = [[(float(c), int(w)) for c, w in zip(draw.random(4), (1, 2, 3, 5), strict=True)]] * 4
    instance = build_instance(classes, 11, ties=((0, 2),))
    resolve = Resolver(instance)
    for _ in range(30):
        cost = draw.random(16)
        other = dataclasses.replace(instance, cost=cost)
        reference = solve(other, "brute")
        choice = resolve(cost)
        assert other.is_feasible(choice)
        assert other.objective(choice) == pytest.approx(reference.objective)


def test_what_cannot_be_answered_is_refused_in_one_sentence() -> None:
    table = random_table()
    with pytest.raises(DataError, match="keeps no per-sample scores"):
        Bootstrap(table, "loss_only")
    with pytest.raises(DataError, match="no metric 'fischer'"):
        Bootstrap(table, "fischer")
    with pytest.raises(DataError, match="needs at least 2"):
        Bootstrap(random_table(samples=1), "fisher")
    with pytest.raises(DataError, match="resamples must be at least 1"):
        Bootstrap(table, "fisher", 0)
    found = Bootstrap(table, "fisher", 3)
    with pytest.raises(InfeasibleError, match="the smallest feasible limit is"):
        confidence(found, 10)
    with pytest.raises(DataError, match="between 0 and 1"):
        confidence(found, table.capacity(3), level=1)
    plan = confidence(found, table.capacity(3))
    for asked in ({}, {"errors": 1.0, "quantile": 0.5}, {"errors": -1.0}, {"quantile": 2.0}):
        with pytest.raises(DataError):
            robust_plan(found, plan, **asked)


def test_stability_map(tmp_path: Path) -> None:
    table = random_table()
    plan = confidence(Bootstrap(table, "fisher", 40), table.capacity(3.5))
    share, chosen, labels = stability_map(plan)
    assert labels == ["2", "4", "8"]
    assert share.sum(axis=0) == pytest.approx(np.ones(6))
    assert [share[row, i] for i, row in enumerate(chosen)] == pytest.approx(plan.kept.tolist())
    share[1, 2] = np.nan
    for stem in ("one", "two"):
        save(draw_stability(share, chosen, plan.instance.class_names, labels, "t"), tmp_path / stem)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
