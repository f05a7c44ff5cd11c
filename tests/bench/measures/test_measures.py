"""Measures on hand-made records; every expected number is worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bitknap.bench.measures.answers import SolverRuns, answers_of, by_solver, reference_of
from bitknap.bench.measures.certainty import cost_of_certainty
from bitknap.bench.measures.contradictions import clashes, contradictions, false_claims
from bitknap.bench.measures.gap import gap, gaps, is_optimum
from bitknap.bench.measures.profile import performance_profile, within
from bitknap.bench.measures.rates import correct_rate, success_rate
from bitknap.bench.measures.scaling import fit_power, scaling
from bitknap.bench.measures.shifted_mean import mean_seconds, shifted_geometric_mean
from bitknap.bench.measures.speedup import Speedup, proof_times, speedup, wins
from bitknap.bench.measures.summary import summary_tables
from bitknap.bench.records.record import Record
from bitknap.bench.tables.table import Table

from .conftest import row


def of(records: list[Record], solver: str) -> list[SolverRuns]:
    return by_solver(answers_of(records))[solver]


def printed(records: list[Record]) -> list[Table]:
    return summary_tables(answers_of(records), clashes(records))


def heuristic(solver: str, instance: str, objective: float | None, **fields: Any) -> Record:
    status = "no_solution" if objective is None else "feasible"
    return row(solver, instance, status, objective=objective, exact=False, **fields)


def test_the_reference_is_the_optimum_where_it_is_proven() -> None:
    reference = reference_of([row("a", "i", objective=4.0), heuristic("h", "i", 5.0)])
    assert (reference.best, reference.proven, reference.bound) == (4.0, True, 4.0)


def test_the_reference_is_the_highest_true_bound_where_nothing_is_proven() -> None:
    reference = reference_of(
        [
            row("a", "i", "feasible", objective=5.0, bound=3.0),
            row("b", "i", "feasible", objective=6.0, bound=4.0),
            row("c", "i", "no_solution", bound=5.5),
        ]
    )
    assert (reference.best, reference.proven, reference.bound) == (5.0, False, 4.0)


def test_a_claim_that_a_cheaper_choice_refutes_proves_nothing() -> None:
    reference = reference_of([row("a", "i", objective=5.0), heuristic("h", "i", 4.0)])
    assert (reference.best, reference.proven, reference.bound) == (4.0, False, None)


def test_gap_to_the_optimum_and_to_the_best_bound() -> None:
    records = [
        row("a", "proven", objective=4.0),
        heuristic("h", "proven", 5.0),
        heuristic("h", "proven", 8.0, repeat=1),
        row("a", "open", "feasible", objective=10.0, bound=9.0),
        heuristic("h", "open", 12.0),
        heuristic("h", "unknown", 7.0),
        heuristic("h", "none", None),
    ]
    found = {answer.first.instance: gap(answer) for answer in of(records, "h")}
    # (5 - 4) / 4 and (8 - 4) / 4, their mean; (12 - 9) / 9.
    assert found == {"proven": 0.625, "open": 1 / 3, "unknown": None, "none": None}
    assert gaps(of(records, "a")) == pytest.approx([1 / 9, 0.0])


def test_a_lie_lowers_the_correct_rate_not_the_success_rate() -> None:
    records = [
        row("liar", "i", objective=5.0),
        row("liar", "i", objective=4.0, repeat=1),
        row("liar", "j", "refuted"),
        row("liar", "k", "killed"),
        row("liar", "l", "unsupported"),
        heuristic("h", "i", 4.0),
    ]
    # i: 2/2 claims, 1/2 true; j: 1 claim, false; k: none; l does not count.
    assert success_rate(of(records, "liar")) == pytest.approx(2 / 3)
    assert correct_rate(of(records, "liar")) == pytest.approx((0.5 + 0 + 0) / 3)
    assert success_rate(of(records, "h")) == correct_rate(of(records, "h")) == 1.0


def test_an_exact_method_without_a_proof_claims_nothing() -> None:
    records = [row("a", "i", "feasible", objective=5.0, bound=1.0), row("a", "j", "infeasible")]
    assert success_rate(of(records, "a")) == 0.5
    assert correct_rate(of(records, "a")) == 0.5
    assert correct_rate(of([*records, heuristic("h", "j", 1.0)], "a")) == 0.0


def test_rates_without_a_supported_instance_do_not_exist() -> None:
    answers = of([row("a", "i", "unsupported")], "a")
    assert success_rate(answers) is correct_rate(answers) is mean_seconds(answers) is None


def test_shifted_geometric_mean() -> None:
    # sqrt((3 + 1) (8 + 1)) - 1 = 5
    assert shifted_geometric_mean([3.0, 8.0], shift=1.0) == pytest.approx(5.0)
    # sqrt(0.004 * 0.009) - 0.001 = 0.005
    assert shifted_geometric_mean([0.003, 0.008]) == pytest.approx(0.005)


def test_failures_count_with_the_time_limit_and_medians_over_runs() -> None:
    times = {"i": [1.0, 3.0, 100.0]}
    records = [row("a", "i", objective=1.0, seconds=t, repeat=k) for k, t in enumerate(times["i"])]
    records += [row("a", "j", "crashed", seconds=0.5), row("a", "k", "killed", seconds=12.0)]
    answers = of(records, "a")
    # medians 3, then the limit 10, then 12 as it took: (3 * 10 * 12)^(1/3)
    assert mean_seconds(answers, shift=0.0) == pytest.approx(360 ** (1 / 3))


def test_performance_profile() -> None:
    times = {"a": [1.0, 4.0, 2.0, None], "b": [2.0, 1.0, None, None]}
    records = [
        row(
            solver,
            f"i{k}",
            "killed" if t is None else "optimal",
            objective=t and 1.0,
            seconds=t or 10,
        )
        for solver, row_of in times.items()
        for k, t in enumerate(row_of)
    ]
    profile = performance_profile(answers_of(records))
    # a: 1, 4, 1, never; b: 2, 1, never, never.
    assert profile.ratios["a"] == (1.0, 1.0, 4.0, math.inf)
    assert [profile.share("a", tau) for tau in (1, 2, 3.9, 4, 1e9)] == [0.5, 0.5, 0.5, 0.75, 0.75]
    assert [profile.share("b", tau) for tau in (1, 2, 1e9)] == [0.25, 0.5, 0.5]
    assert profile.largest() == 4.0


def test_a_profile_of_choices_within_a_gap() -> None:
    records = [
        row("a", "i", objective=100.0, seconds=8.0),
        heuristic("h", "i", 101.0, seconds=2.0),
        heuristic("g", "i", 103.0, seconds=1.0),
    ]
    profile = performance_profile(answers_of(records), within(0.01))
    assert profile.ratios == {"a": (4.0,), "g": (math.inf,), "h": (1.0,)}


def test_cost_of_certainty() -> None:
    records = [
        row("a", "i", objective=4.0, seconds=8.0),
        heuristic("h", "i", 4.0, seconds=2.0),
        row("a", "j", objective=3.0, seconds=9.0),
        heuristic("h", "j", 4.0, seconds=1.0),
        row("a", "k", "feasible", objective=3.0, bound=1.0),
        heuristic("h", "k", 3.0),
    ]
    found = cost_of_certainty(answers_of(records), "a", "h")
    assert found is not None
    # sqrt(4 * 9); h has the optimum of i; it is (4 - 3) / 3 above j. k is not proven.
    assert (found.instances, found.proof_only) == (2, 0.5)
    assert found.factor == pytest.approx(6.0)
    assert (found.mean_gap, found.worst_gap) == (1 / 6, 1 / 3)
    assert cost_of_certainty(answers_of(records), "a", "nobody") is None


def test_speedups_compare_proofs_in_processor_time() -> None:
    times = {"i": {"a": 1.0, "b": 8.0, "c": 6.0}, "j": {"a": 4.0, "b": 2.0}, "k": {"a": 1.0}}
    records = [
        row(solver, name, objective=4.0, seconds=9.0, cpu_seconds=seconds)
        for name, found in times.items()
        for solver, seconds in found.items()
    ]
    records += [
        row("b", "k", "feasible", objective=4.0, cpu_seconds=0.1),
        heuristic("h", "i", 4.0, cpu_seconds=0.1),
        row("liar", "i", objective=5.0, cpu_seconds=0.1),
        row("untimed", "i", objective=4.0),
    ]
    found = proof_times(answers_of(records))
    assert found == times
    assert wins(found) == {"a": 2, "b": 1}
    # 6 / 1 on i and 2 / 4 on j; nobody else proved k.
    assert speedup(found, "a", ["a", "b", "c"]) == Speedup(2, 0.5, 3.25, 6.0)
    assert speedup(found, "c", ["b"]) == Speedup(1, 8 / 6, 8 / 6, 8 / 6)
    assert speedup(found, "a", ["a", "h"]) is None


def test_an_optimum_is_found_where_it_is_proven_and_every_run_has_it() -> None:
    records = [
        row("a", "i", objective=4.0),
        row("a", "j", objective=4.0),
        row("a", "k", "feasible", objective=4.0),
        heuristic("h", "i", 4.0),
        heuristic("h", "j", 4.0),
        heuristic("h", "j", 5.0, repeat=1),
        heuristic("h", "k", 4.0),
    ]
    assert [is_optimum(answer) for answer in of(records, "h")] == [True, False, False]


def test_an_exact_power_law_has_an_interval_of_nothing() -> None:
    fit = fit_power([1, 2, 4], [3.0, 12.0, 48.0])
    assert fit is not None
    assert (fit.exponent, fit.low, fit.high) == pytest.approx((2.0, 2.0, 2.0))
    assert (fit.factor, fit.determination, fit.points) == pytest.approx((3.0, 1.0, 3))
    assert fit.seconds(8) == pytest.approx(192.0)


def test_the_interval_of_the_exponent() -> None:
    # log2 n = 0, 1, 2, log2 t = 0, 3, 3: slope 3/2, residuals -1/2, 1, -1/2, so s^2 = 3/2 over
    # one degree of freedom, S_xx = 2, standard error sqrt(3)/2, t(0.975, 1) = 12.7062; R^2 = 3/4.
    fit = fit_power([1, 2, 4], [1.0, 8.0, 8.0])
    assert fit is not None
    half = 12.7062 * math.sqrt(3.0) / 2.0
    assert (fit.exponent, fit.determination) == pytest.approx((1.5, 0.75))
    assert (fit.low, fit.high) == pytest.approx((1.5 - half, 1.5 + half), rel=1e-5)


def test_two_points_have_no_interval_and_one_size_no_fit() -> None:
    fit = fit_power([1, 2], [1.0, 2.0])
    assert fit is not None
    assert fit.exponent == pytest.approx(1.0)
    assert math.isnan(fit.low)
    assert fit_power([5, 5], [1.0, 2.0]) is None


def test_scaling_leaves_out_what_was_not_proven_and_counts_it() -> None:
    records = [
        row("a", f"i{n}", objective=1.0, seconds=n / 10, classes=n) for n in (10, 100, 1000)
    ] + [row("a", "large", "killed", seconds=15.0, classes=10_000)]
    fit = scaling(answers_of(records), "a")
    assert fit is not None
    assert fit.exponent == pytest.approx(1.0)
    assert (fit.points, fit.missing) == (3, 1)


def test_two_proven_optima_that_differ_are_a_contradiction() -> None:
    records = [row("a", "i", objective=1.0), row("b", "i", objective=1.0 + 1e-11)]
    (found,) = contradictions(records)
    assert (found.instance, found.claimed, found.other) == ("i", "b", "a")
    assert "b claims the optimum 1.00000000001, but a has a feasible choice" in found.sentence
    assert not contradictions([row("a", "i", objective=1.0), row("b", "i", objective=1.0 + 1e-14)])


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (row("a", "i", "infeasible"), "that no choice fits"),
        (row("a", "i", "no_solution", bound=4.5), "the bound 4.5"),
        (row("a", "i", objective=4.5), "the optimum 4.5"),
    ],
)
def test_a_feasible_choice_refutes_claims(claim: Record, words: str) -> None:
    (found,) = contradictions([claim, heuristic("h", "i", 4.0)])
    assert f"a claims {words}, but h has a feasible choice of cost 4.0" in found.sentence


def test_false_claims_are_counted_by_solver() -> None:
    records = [
        row("a", "i", objective=4.0),
        row("b", "i", objective=5.0),
        row("b", "j", "refuted"),
        heuristic("h", "j", 3.0, bound=3.5),
        heuristic("g", "j", 2.0),
    ]
    assert false_claims(records) == {"b": 2, "h": 1}


def test_claims_about_different_instances_do_not_meet() -> None:
    records = [
        row("a", "same name", objective=1.0, instance_hash="x"),
        row("b", "same name", objective=2.0, instance_hash="y"),
    ]
    assert contradictions(records) == []


def test_processor_time_is_averaged_like_wall_time() -> None:
    records = [
        row("a", "i", objective=4.0, seconds=9.0, cpu_seconds=0.003),
        row("a", "j", objective=4.0, seconds=9.0, cpu_seconds=0.008),
        row("b", "i", objective=4.0, seconds=9.0, cpu_seconds=0.1),
        row("b", "j", "killed", seconds=12.0),
        row("c", "i", "killed", seconds=12.0),
    ]
    solvers = printed(records)[0]
    column = solvers.columns.index("CPU ms")
    cells = {cells[0]: cells[column] for cells in solvers.rows}
    assert cells == {"a": "5", "b": "1000", "c": "10000"}
    assert "CPU ms" not in printed([row("a", "i", objective=4.0)])[0].columns


def test_the_summary_shows_measures_and_contradictions() -> None:
    records = [
        row("a", "i", objective=4.0, seconds=0.003, memory=50_000_000),
        row("a", "j", objective=4.0, seconds=0.008, memory=70_000_000),
        row("b", "i", objective=5.0, seconds=0.1),
        row("b", "j", "killed", seconds=12.0),
        row("c", "i", "unsupported"),
    ]
    solvers = printed(records)[0]
    rows = {cells[0]: dict(zip(solvers.columns, cells, strict=True)) for cells in solvers.rows}
    assert rows["a"]["ms"] == "5"
    assert rows["a"]["peak MB"] == "70"
    assert (rows["a"]["success"], rows["a"]["correct"]) == ("100 %", "100 %")
    assert (rows["b"]["success"], rows["b"]["correct"]) == ("50 %", "0")
    assert (rows["b"]["worst above"], rows["b"]["went wrong"]) == ("25 %", "1 killed")
    assert rows["c"]["instances"] == "0/1"
    assert any("b claims the optimum 5.0" in note for note in solvers.notes)
