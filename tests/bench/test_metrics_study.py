"""The comparison of metrics on a tiny workload: what is printed, reused, and said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bitknap.bench.job.evaluation import Evaluation
from bitknap.bench.job.metric_comparison import Entry, MetricComparison, outside, shuffled
from bitknap.bench.studies import STUDIES, metrics
from bitknap.bench.studies.metrics import (
    SAMPLES,
    Accuracies,
    accuracy_table,
    compare,
    difference_table,
    interval,
)
from bitknap.bench.tables.table import Table
from bitknap.bench.workloads.accuracy import Accuracy
from bitknap.cli import build_app
from bitknap.sensitivity import METRICS, load_table

from .tables import random_table
from .tiny import tiny_workload


def tiny_comparison(folder: Path, said: list[str]) -> MetricComparison:
    return MetricComparison(
        workload=tiny_workload(),
        entries={
            "fisher": Entry("fisher", 64),
            "loss": Entry("loss", 32),
            "kl": Entry("kl", 32),
            "pairwise": Entry("pairwise", 8),
            "fisher, 8 samples": Entry("fisher", 8),
        },
        bits=(2, 4, 8),
        budgets=(2.5, 4.0),
        seeds=range(2),
        held_out=96,
        folder=folder,
        say=said.append,
    )


def test_the_grids_of_a_tiny_workload_and_a_second_run(tmp_path: Path) -> None:
    said: list[str] = []
    comparison = tiny_comparison(tmp_path, said)
    cost, accuracy, gaps = compare(comparison)
    assert [row[0] for row in cost.rows] == [
        "fisher",
        "loss",
        "kl",
        "pairwise",
        "fisher, 8 samples",
    ]
    shown = {row[0]: row for row in cost.rows}
    assert shown["loss"][1:4] == shown["kl"][1:4]
    assert shown["loss"][2] == "10"
    assert float(shown["kl"][6]) > 0.7
    assert [row[0] for row in accuracy.rows] == [
        "fisher", "fisher, with pairs", "loss", "kl", "pairwise", "pairwise, with pairs",
        "fisher, 8 samples", "uniform", "random", "shuffled", "float",
    ]  # fmt: skip
    assert [row[0] for row in gaps.rows] == [row[0] for row in accuracy.rows[1:7]]

    yardstick = load_table(tmp_path / "held-out-96.npz")
    fisher, few = (load_table(tmp_path / f"draw1-{samples}.npz") for samples in (64, 8))
    assert np.allclose(few.scores["fisher"], fisher.scores["fisher"][:8], rtol=1e-3, atol=1e-6)
    assert yardstick.metrics == ("loss", "kl")
    assert 0 < len(yardstick.scores["loss"]) < 96
    assert fisher.metric_cost["fisher"]["cpu_seconds"] > 0

    before = list(said)
    said.clear()
    again = list(compare(comparison))
    assert [table.rows for table in again] == [cost.rows, accuracy.rows, gaps.rows]
    assert any(text.startswith("evaluating") for text in before)
    assert not [text for text in said if text.startswith(("computing", "evaluating"))]


def test_the_command_keeps_what_is_finished_and_prints_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def study(quick: bool, folder: Path, say: Callable[[str], None]) -> Iterator[Table]:
        own = tiny_comparison(folder, [])
        entries = {name: own.entries[name] for name in ("fisher", "loss")}
        yield from compare(replace(own, entries=entries, say=say))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "study", study)
    arguments = ["bench", "metrics", "--out", "out"]
    first = CliRunner().invoke(build_app("bench"), arguments)
    assert first.exit_code == 0, first.output
    assert (tmp_path / "runs" / "metrics" / "accuracies.jsonl").exists()
    assert len(list((tmp_path / "out").glob("metrics-*.csv"))) == 3
    assert "evaluating uniform 8" in first.stderr
    assert "evaluating" not in first.stdout
    again = CliRunner().invoke(build_app("bench"), arguments)
    assert again.stdout == first.stdout
    assert "evaluating" not in again.stderr


@pytest.mark.parametrize("where", ["computing loss, kl", "evaluating uniform 8"])
def test_a_killed_comparison_goes_on_where_it_stopped(tmp_path: Path, where: str) -> None:
    def killed(text: str) -> None:
        if text == where:
            raise KeyboardInterrupt

    comparison = replace(tiny_comparison(tmp_path, []), seeds=range(1))
    entries = {name: comparison.entries[name] for name in ("fisher", "loss", "kl")}
    comparison = replace(comparison, entries=entries)
    with pytest.raises(KeyboardInterrupt):
        list(compare(replace(comparison, say=killed)))
    said: list[str] = []
    resumed = [table.rows for table in compare(replace(comparison, say=said.append))][1:]
    done = [text for text in said if text.startswith(("computing", "evaluating"))]
    assert done[0] == where
    whole = replace(comparison, folder=tmp_path / "whole")
    assert [table.rows for table in compare(whole)][1:] == resumed


def test_the_document_names_every_metric() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in METRICS.names() if f"\n| `{name}` |" not in text] == []


def test_held_out_images_are_in_no_draw(tmp_path: Path) -> None:
    workload = tiny_workload()
    draws = [workload.calibration(64, seed) for seed in range(2)]
    left = torch.cat([x for x, _ in outside(workload.calibration(96, 2), draws)])
    seen = {tuple(row) for d in draws for x, _ in d for row in x.flatten(1).tolist()}
    kept = {tuple(row) for row in left.flatten(1).tolist()}
    asked = {tuple(row) for x, _ in workload.calibration(96, 2) for row in x.flatten(1).tolist()}
    assert kept == asked - seen
    assert len(kept) < 96


def test_shuffling_keeps_each_layers_costs_together() -> None:
    instance = random_table().to_instance("fisher", random_table().capacity(4.0))
    mixed = shuffled(instance, 3)
    rows = {tuple(row) for row in instance.cost.reshape(6, 3)}
    assert {tuple(row) for row in mixed.cost.reshape(6, 3)} == rows
    assert not np.array_equal(mixed.cost, instance.cost)
    assert np.array_equal(mixed.weight, instance.weight)


def test_losses_to_controls_and_gains_on_fisher_are_said(tmp_path: Path) -> None:
    def row(plan: str, budget: str, correct: int, draw: int = 0) -> Evaluation:
        return Evaluation(plan, "", budget, draw, 4.0, Accuracy(correct, 100), {})

    rows = [row("float", "", 95), row("uniform", "2", 50), row("uniform", "4", 90)]
    for draw in range(2):
        rows += [row("fisher", b, 80 + draw, draw) for b in ("2.5", "4")]
        rows += [row("kl", b, 85, draw) for b in ("2.5", "4")]
        rows += [row("random", b, 30, draw) for b in ("2.5", "4")]
        rows += [row("shuffled", b, 40, draw) for b in ("2.5", "4")]
    found = Accuracies(tiny_comparison(tmp_path, []), rows)
    table = accuracy_table(found)
    cells = {r[0]: list(r[1:]) for r in table.rows}
    assert cells["uniform"] == ["50.00", "90.00"]
    assert cells["fisher"][0] == "80.50 [80.00, 81.00]"
    assert cells["float"] == ["95.00", "95.00"]
    notes = " ".join(table.notes)
    assert "At 4 bits these lose to uniform (90.00): fisher (80.50), kl (85.00)." in notes
    assert "At 2.5" not in notes
    better = difference_table(found)
    assert better.rows == [["kl", "+4.50 [+4.00, +5.00]", "+4.50 [+4.00, +5.00]"]]
    assert "kl at 2.5, kl at 4" in better.notes[1]


def test_intervals_come_from_the_draws() -> None:
    draws = [1.0, 2.0, 3.0, 4.0, 5.0]
    low, high = interval(draws)
    means = [np.mean(np.random.default_rng(s).choice(draws, 5)) for s in range(4000)]
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.21)
    assert interval([2.0] * 5) == (2.0, 2.0)
    assert interval([7.0]) == (7.0, 7.0)


def test_every_metric_is_compared_and_the_study_is_listed() -> None:
    assert sorted(SAMPLES) == sorted(METRICS.names())
    assert "metrics" in STUDIES.names()
