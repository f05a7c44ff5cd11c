"""The tables of ``speed-solvers`` on small instances."""

from __future__ import annotations

import pytest

from bitknap.bench.studies import STUDIES, _speed_families, _speed_process
from bitknap.bench.studies._speed_scale import at_scale


def test_the_study_is_listed() -> None:
    assert "speed-solvers" in STUDIES.names()
    assert not [name for name in STUDIES.names() if name.startswith("-")]


def test_scale_orders_times_and_memory() -> None:
    grid = at_scale({300: range(1, 4)})
    row = dict(zip(grid.columns, grid.rows[0], strict=True))
    assert row["layers"] == "300"
    assert float(row["least ms"]) <= float(row["median ms"]) <= float(row["most ms"])
    assert 0 < float(row["libraries MB"]) <= float(row["peak MB"])


def test_families_stand_beside_the_published_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {(20, 5): {"uncorrelated": (2.0, None), "zigzag": (None, 4.0)}}
    monkeypatch.setattr(_speed_families, "PUBLISHED", cells)
    grid = _speed_families.pisinger(quick=True)
    rows = [dict(zip(grid.columns, row, strict=True)) for row in grid.rows]
    assert [(r["family"], r["range"], r["published"]) for r in rows] == [
        ("uncorrelated", "1000", "2"),
        ("zigzag", "10000", "4"),
    ]
    for row in rows:
        assert float(row["core"]) <= float(row["largest"])
        ratio = float(row["core"]) / float(row["published"])
        assert float(row["core / published"]) == pytest.approx(ratio, abs=0.01)


def test_overhead_and_cold_starts_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_speed_process, "REPEATS", 5)
    assert [row[:2] for row in _speed_process.overhead().rows] == [["54", "3"], ["54", "8"]]
    cold = _speed_process.cold_starts(1)
    assert [row[0] for row in cold.rows] == ["54", "1000"]
    assert all(float(cell) > 0 for row in cold.rows for cell in row[1:])
