"""``--time-limit 2`` is kept within a second and a fifth by every solver and command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import Instance, QuadraticInstance, save_instance, save_quadratic
from bitknap.sensitivity import Tie, save_table
from bitknap.solvers import SOLVERS, solve
from bitknap.solvers.quadratic import QUADRATIC, solve_quadratic

from ..bench.tables import made_table

LIMIT, MOST = 2.0, 1.0 + 1.2 * 2.0


def large(classes: int, items: int, resources: int = 1) -> Instance:
    """Undominated items of one resource: heavier ones are cheaper; half of the room is there."""
    rng = np.random.default_rng([classes, items, resources])
    weight = np.sort(rng.integers(1, 10**6, (resources, classes, items)), axis=2)
    cost = -np.sort(-rng.random((classes, items)), axis=1)
    ends = weight.min(axis=2).sum(axis=1) + weight.max(axis=2).sum(axis=1)
    return Instance(
        f"{classes} x {items}",
        np.arange(classes + 1) * items,
        cost.ravel(),
        weight.reshape(resources, -1),
        ends // 2,
        tuple(f"c{i}" for i in range(classes)),
        tuple(str(j) for j in range(items)) * classes,
        tuple(f"r{k}" for k in range(resources)),
    )


SHAPES = [(20_000, 3, 1), (60, 1000, 1), (1, 60_000, 1), (20_000, 3, 2), (60, 1000, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SOLVERS.names())
def test_solvers_keep_their_limit_on_60000_items(name: str, shape: tuple[int, int, int]) -> None:
    instance = large(*shape)
    began = time.perf_counter()
    solve(instance, name, LIMIT)
    assert time.perf_counter() - began < MOST


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize("words", ["solve", "frontier", "topk", "topk --forced", "verify"])
def test_commands_keep_their_limit_on_60000_items(
    words: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    instance = large(*shape)
    save_instance(instance, tmp_path / "i.npz")
    command, *options = words.split()
    if command == "verify":
        solution = solve(instance, "lp").to_dict()
        (tmp_path / "s.json").write_text(json.dumps(solution), encoding="utf-8")
        options.append("s.json")
    _call(tmp_path, command, "i.npz", *options)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["confidence", "ties"])
def test_commands_keep_their_limit_on_a_table_of_60000_items(command: str, tmp_path: Path) -> None:
    layers = 20_000
    names = [f"l{i}" for i in range(layers)]
    ties = tuple(Tie(pair, "test") for pair in zip(names[:400:2], names[1:400:2], strict=True))
    scores = np.random.default_rng(0).normal(size=(20, 3 * layers)) * np.tile([9, 3, 1], layers)
    table = made_table(scores, np.arange(20, 20 + layers).tolist(), ties=ties)
    save_table(table, tmp_path / "t.npz")
    _call(tmp_path, command, "t.npz", "--budgets", "3")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*QUADRATIC.names(), "verify"])
def test_quadratic_methods_keep_their_limit_on_1200_items(name: str, tmp_path: Path) -> None:
    """G of 60,000 items does not fit in memory; that of 3,000 takes seconds to decompose."""
    knapsack = large(300, 4)
    scores = np.random.default_rng(0).normal(size=(40, 1200))
    problem = QuadraticInstance.from_scores(knapsack, scores)
    save_quadratic(problem, tmp_path / "q.npz")
    options = ["--solver", name]
    if name == "verify":
        solution = solve_quadratic(problem, "exchange", 1.0).to_dict()
        solution |= {"status": "optimal", "bound": solution["objective"], "gap": 0.0}
        (tmp_path / "s.json").write_text(json.dumps(solution), encoding="utf-8")
        options = ["s.json"]
    _call(tmp_path, "verify" if name == "verify" else "solve", "q.npz", *options)


def _call(folder: Path, *words: str) -> None:
    call = [sys.executable, "-m", "bitknap", *words, "--time-limit=2", "--json"]
    began = time.perf_counter()
    done = subprocess.run(call, cwd=folder, capture_output=True, check=False)
    assert time.perf_counter() - began < MOST
    assert done.returncode in (0, 1, 4)
    assert b"Traceback" not in done.stderr
