"""The study of plans on a tiny workload: its tables, what a second run reuses, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from bitknap.bench.job.plan_quality import PlanQuality
from bitknap.bench.measures.paired import paired
from bitknap.bench.studies import plans
from bitknap.bench.tables.table import Table
from bitknap.problems import DataError

from .commands import call
from .tiny import tiny_workload

SETTINGS = {
    "workloads": "tiny",
    "budgets": "2.1,3",
    "draws": "2",
    "samples": "64",
    "metrics": "fisher,weight_mse",
    "evaluations": "6,9",
    "limit": "12",
    "limit_samples": "96",
    "images": "100",
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "load_workload", lambda name, data: tiny_workload())


def run(folder: Path, settings: Mapping[str, str]) -> tuple[list[Table], list[str]]:
    said: list[str] = []
    return list(plans.study(False, folder, said.append, settings)), said


def test_every_kind_of_plan_is_measured_and_remembered(tiny: None, tmp_path: Path) -> None:
    tables, _ = run(tmp_path, SETTINGS)
    accuracy, damage, tests = tables
    names = [row[0] for row in accuracy.rows]
    assert names == [
        "fisher", "weight_mse", "fisher, greedy", "weight_mse, greedy", "fisher, pairs",
        "measured, 6", "measured, 9", "measured, topk, 9", "measured unrepaired, 9", "uniform",
        "random", "shuffled", "limit",
    ]  # fmt: skip
    assert [row[0] for row in damage.rows] == names
    assert accuracy.columns[1:3] == ("2.1", "2.1, repaired")
    assert all(0 < float(cell) <= 100 for row in accuracy.rows for cell in row[1:5])
    limit = next(row for row in damage.rows if row[0] == "limit")
    assert float(limit[2]) < float(limit[1])
    assert [row[:3:2] for row in tests.rows[1::2]] == [
        [b, "limit"] for b in ("2.1", "2.1", "3", "3")
    ]
    assert (tmp_path / "plans.svg").read_text().startswith("<?xml")
    again, said = run(tmp_path, SETTINGS)
    assert [table.rows for table in again] == [table.rows for table in tables]
    assert not [text for text in said if text.startswith("tiny at")]


def test_more_evaluations_go_on_from_fewer_and_never_do_worse(tiny: None, tmp_path: Path) -> None:
    asked = plans.Settings().but(SETTINGS)
    quality = PlanQuality(
        tiny_workload(), {"fisher": 64, "weight_mse": 64}, plans.CHOICES, 64, (6, 20), 0, 96, 100,
        tmp_path, lambda text: None,
    )  # fmt: skip
    made = quality.plans(quality.tables(range(1)), 0, asked.budgets[0])
    assert made["measured, 6"].passes < made["measured, 20"].passes <= 22
    assert "limit" not in made


def test_pairs_of_answers_are_tested_as_mcnemar_did() -> None:
    right = np.array([1, 1, 1, 0, 1, 0, 1, 1], dtype=bool)
    other = np.array([1, 0, 0, 1, 0, 0, 1, 0], dtype=bool)
    found = paired(right, other, np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    assert (found.better, found.worse) == (4, 1)
    assert found.p == binomtest(1, 5).pvalue
    assert found.damage == 0.75
    assert found.error == pytest.approx(np.std([0.5, 1.0], ddof=1) / np.sqrt(2))
    assert paired(right, right, right * 1.0, right * 1.0).p == 1.0


def test_settings_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no setting 'drawz'; choose one of: budgets, draws"):
        plans.Settings().but({"drawz": "3"})
    with pytest.raises(DataError, match="draws must be int, got 'three'"):
        plans.Settings().but({"draws": "three"})
    with pytest.raises(DataError, match="has no settings"):
        call("bench", "quadratic", "--set", "draws=3")
    with pytest.raises(DataError, match="takes no --quick or --set"):
        call("bench", "smoke", "--set", "draws=3")
