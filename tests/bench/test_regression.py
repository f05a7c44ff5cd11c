"""The check of two saved pytest-benchmark runs against each other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bitknap.bench.runner.regression import last_two, load_minima, main, regression_table, slower
from bitknap.problems import DataError

CORE = "test[core-20]"
OLD = {CORE: 0.002, "greedy": 0.004, "tiny": 1e-6, "gone": 1.0}
NEW = {CORE: 0.004, "greedy": 0.005, "tiny": 9e-6, "new": 1.0}


def save(path: Path, minima: dict[str, float], age: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"fullname": name, "stats": {"min": value}} for name, value in minima.items()]
    path.write_text(json.dumps({"benchmarks": entries}))
    os.utime(path, (1000 - age, 1000 - age))
    return path


def test_only_what_is_in_both_and_above_the_floor_is_flagged() -> None:
    assert slower(OLD, NEW, 1.5) == [CORE]
    assert slower(OLD, NEW, 1.2) == [CORE, "greedy"]
    assert slower(OLD, NEW, 2.5) == []


def test_the_grid_shows_old_new_and_ratio() -> None:
    rows = {row[0]: row[1:] for row in regression_table(OLD, NEW, 1.5).rows}
    assert rows[CORE] == ["2.000", "4.000", "2.00", "slower"]
    assert rows["greedy"] == ["4.000", "5.000", "1.25", ""]
    assert rows["gone"] == ["1000.000", "-", "-", ""]


def test_the_last_two_runs_of_the_newest_machine(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 0 saved runs, two are needed"):
        last_two(tmp_path)
    save(tmp_path / "here" / "0001_a.json", OLD, age=30)
    save(tmp_path / "there" / "0001_a.json", OLD, age=20)
    with pytest.raises(DataError, match="has 1 saved runs"):
        last_two(tmp_path)
    save(tmp_path / "here" / "0002_b.json", NEW, age=10)
    assert [path.name for path in last_two(tmp_path)] == ["0001_a.json", "0002_b.json"]


def test_the_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = save(tmp_path / "here" / "0001_a.json", OLD, age=30)
    new = save(tmp_path / "here" / "0002_b.json", NEW, age=10)
    assert main([str(old), str(new)]) == 1
    printed = capsys.readouterr().out
    assert "test[core-20]" in printed
    assert "1 of 5 take more than 1.5 times as long" in printed
    assert main(["--folder", str(tmp_path), "--factor", "3"]) == 0
    assert main([str(new), str(old)]) == 0


def test_another_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(DataError, match="not a saved run of pytest-benchmark"):
        load_minima(tmp_path / "x.json")
