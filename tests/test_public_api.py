from __future__ import annotations

from pathlib import Path

import bitknap


def test_every_public_name_loads() -> None:
    for name in bitknap.__all__:
        assert getattr(bitknap, name) is not None


def test_load_solve_save(tmp_path: Path) -> None:
    instance = bitknap.build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    bitknap.save_instance(instance, tmp_path / "i.json")
    solution = bitknap.solve(bitknap.load_instance(tmp_path / "i.json"), solver="greedy")
    assert solution.status is bitknap.Status.FEASIBLE
    assert solution.choice is not None
    assert solution.choice.tolist() == [0, 1]
    assert solution.objective == 4.0
    assert solution.bound is None
    assert solution.gap is None
    assert solution.usage is not None
    assert solution.usage.tolist() == [4]
