"""Primal integrals against sums over a fine grid; the study of what solvers have by when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bitknap.bench.measures.primal_integral import gap_curve, primal_gap, primal_integral
from bitknap.bench.studies import anytime
from bitknap.problems.families import mmkp_correlated


@pytest.mark.parametrize(
    ("objective", "best", "gap"),
    [(4, 4, 0), (5, 4, 0.2), (-4, -5, 0.2), (1, -1, 1), (3, 0, 1), (0, 0, 0)],
)
def test_primal_gap(objective: float, best: float, gap: float) -> None:
    assert primal_gap(objective, best) == pytest.approx(gap)


@pytest.mark.parametrize("seed", range(10))
def test_the_integral_is_the_area_below_the_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times, objectives = rng.uniform(0, 12, 6), rng.integers(10, 30, 6)
    curve = gap_curve(zip(times.tolist(), objectives.tolist(), strict=True), 10.0)
    assert [gap for _, gap in curve] == sorted({gap for _, gap in curve}, reverse=True)

    def gap_at(t: float) -> float:
        had = [primal_gap(o, 10.0) for s, o in zip(times, objectives, strict=True) if s <= t]
        return min(had, default=1.0)

    grid = np.arange(0, 10, 0.01) + 0.005
    area = sum(gap_at(t) for t in grid) * 0.01
    assert primal_integral(curve, 10.0) == pytest.approx(area, abs=0.06)


def test_no_choice_costs_the_whole_time() -> None:
    assert primal_integral([], 10.0) == 10.0
    assert primal_integral([(20.0, 0.0)], 10.0) == 10.0


def test_the_study_ends_in_tables_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = mmkp_correlated.generate(classes=8, items=4, resources=2)
    monkeypatch.setattr(anytime, "instances", lambda quick: {"small": instance})
    monkeypatch.setattr(anytime, "SOLVERS", ("core", "multi", "lagrangian"))
    monkeypatch.setattr(anytime, "LIMITS", (0.2, 0.4))
    said: list[str] = []
    (table,) = anytime.study(False, tmp_path, said.append)
    assert [row[0] for row in table.rows] == ["multi", "lagrangian"]
    _, *gaps, _, proof = table.rows[0]
    assert gaps == ["0", "0"]
    assert proof.endswith(" s")
    assert table.rows[1][-1] == "-"
    assert said == ["small: core", "small: multi", "small: lagrangian"]
    assert "<svg" in (tmp_path / "anytime.svg").read_text()
