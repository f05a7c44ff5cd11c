"""Quadratic instances: the objective by its definition, files, ties, the library, commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import (
    InstanceError,
    QuadraticInstance,
    build_instance,
    load_instance,
    load_quadratic,
    save_instance,
    save_quadratic,
)
from bitknap.problems.archive import decode, encode
from bitknap.problems.library import find_quadratic, quadratic_names
from bitknap.problems.quadratic import merge_quadratic


def small(ties: tuple[tuple[int, ...], ...] = ()) -> QuadraticInstance:
    rng = np.random.default_rng(5)
    classes = [[(float(rng.normal()), int(w)) for w in (1, 2, 4)] for _ in range(3)]
    scores = rng.normal(size=(7, 9))
    return QuadraticInstance.from_scores(build_instance(classes, 9, ties=ties), scores, 0.2)


def test_the_objective_is_its_formula_and_entries_within_a_class_do_not_count() -> None:
    problem = small()
    changed = problem.matrix.copy()
    changed[0, 1] = changed[1, 0] = 99.0
    other = QuadraticInstance(problem.knapsack, changed)
    for choice in np.ndindex(3, 3, 3):
        x = np.zeros(9)
        x[problem.knapsack.positions(choice)] = 1.0
        value = problem.knapsack.cost @ x + 0.5 * x @ problem.matrix @ x
        assert problem.objective(choice) == pytest.approx(value, rel=1e-12)
        assert problem.objective(choice) == float(problem.exact_objective(choice))
        assert other.objective(choice) == problem.objective(choice)


def test_scores_give_half_the_mean_square_of_their_sum_and_shrinkage_drops_products() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(50, 4))
    knapsack = build_instance([[(0, 1), (0, 2)], [(0, 1), (0, 3)]], 4)
    problem = QuadraticInstance.from_scores(knapsack, scores)
    half = 0.5 * np.mean((scores[:, 0] + scores[:, 3]) ** 2)
    assert problem.objective([0, 1]) == pytest.approx(half, rel=1e-12)
    own = 0.5 * np.mean(scores[:, 0] ** 2) + 0.5 * np.mean(scores[:, 3] ** 2)
    apart = QuadraticInstance.from_scores(knapsack, scores, 1.0)
    assert apart.objective([0, 1]) == pytest.approx(own, rel=1e-12)


def test_merged_ties_have_the_same_objective() -> None:
    problem = small(ties=((0, 2),))
    merged, back = merge_quadratic(problem)
    for choice in np.ndindex(3, 3):
        full = back.expand(np.array(choice))
        assert problem.knapsack.keeps_ties(full)
        assert merged.objective(choice) == pytest.approx(problem.objective(full), rel=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), r"must have shape \(2, 2\)"),
        (np.array([[0.0, np.nan], [0.0, 0.0]]), "must be finite"),
        (np.array([[0.0, 1.0], [2.0, 0.0]]), "must be symmetric"),
        (np.full((2, 2), 1e308), "beyond float64"),
    ],
)
def test_malformed_matrices_are_refused(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        QuadraticInstance(build_instance([[(1, 1), (2, 2)]], 2), matrix)


@pytest.mark.parametrize(
    ("scores", "shrinkage", "message"),
    [
        (np.zeros((3, 5)), 0.0, "must be"),
        (np.zeros((0, 2)), 0.0, "must be"),
        (np.full((3, 2), np.inf), 0.0, "finite"),
        (np.zeros((3, 2)), 1.5, "between 0 and 1"),
    ],
)
def test_malformed_scores_are_refused(scores: np.ndarray, shrinkage: float, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        QuadraticInstance.from_scores(build_instance([[(1, 1), (2, 2)]], 2), scores, shrinkage)


def test_files_keep_everything(tmp_path: Path) -> None:
    path = tmp_path / "q.npz"
    problem = small(ties=((0, 2),))
    save_quadratic(QuadraticInstance(problem.knapsack, problem.matrix, 2.5, 2.0), path)
    first = path.read_bytes()
    found = load_quadratic(path)
    assert np.array_equal(found.matrix, problem.matrix)
    assert np.array_equal(found.knapsack.cost, problem.knapsack.cost)
    assert (found.knapsack.ties, found.best, found.bound) == (((0, 2),), 2.5, 2.0)
    save_quadratic(found, path)
    assert path.read_bytes() == first


def test_damaged_and_other_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path, problem = tmp_path / "q.npz", small()
    save_quadratic(problem, path)
    arrays = decode(path.read_bytes())
    changed = {**arrays, "upper": arrays["upper"] * 2}
    without = {key: value for key, value in arrays.items() if key != "upper"}
    short = {**arrays, "upper": arrays["upper"][:-1]}
    for content, message in (
        (encode(changed), "hash"),
        (encode(without), "lacks the array 'upper'"),
        (encode(short), "45 entries for 9 items"),
        (b"PK nothing", "not a readable NPZ"),
        (encode({**arrays, "upper": arrays["upper"].astype(np.float32)}), "vector of float64"),
    ):
        path.write_bytes(content)
        with pytest.raises(InstanceError, match=message):
            load_quadratic(path)
    with pytest.raises(InstanceError, match="no such file"):
        load_quadratic(tmp_path / "missing.npz")
    save_quadratic(problem, path)
    with pytest.raises(InstanceError, match="holds a quadratic instance"):
        load_instance(path)
    save_instance(problem.knapsack, path)
    with pytest.raises(InstanceError, match=r"lacks the array|must be a vector"):
        load_quadratic(path)
    assert find_quadratic(str(path)) is None


@pytest.mark.parametrize("name", quadratic_names())
def test_shipped_instances_state_what_is_known(name: str) -> None:
    problem = find_quadratic(name)
    assert problem is not None
    assert problem.name == name
    assert problem.best is not None
    assert problem.bound is not None
    assert problem.best * (1 - 1e-9) <= problem.bound <= problem.best
    assert "fisher" in problem.knapsack.source


def test_commands_solve_verify_and_show_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bitknap.cli import build_app

    def run(*words: str) -> int:
        try:
            build_app(words[0])(list(words))
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    path, out = tmp_path / "q.npz", tmp_path / "s.json"
    save_quadratic(small(), path)
    assert run("solve", str(path), "--out", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "optimal"
    assert run("verify", str(path), str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["finding"] == "proved"
    assert run("instances", "quadratic/fashion-resnet18_2.25", "--json") == 0
    assert json.loads(capsys.readouterr().out)["best"] == pytest.approx(0.00953096, rel=1e-6)
    assert run("solve", "quadratic/fashion-resnet18_2.1", "--solver", "exchange") == 0
    assert "feasible" in capsys.readouterr().out
