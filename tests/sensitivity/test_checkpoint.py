"""Chunks on disk: a stopped run resumes and ends with the bytes of an undisturbed one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.sensitivity import METRICS, SensitivityTable, save_table, sensitivity_table
from bitknap.sensitivity.resume import checkpoint as module
from bitknap.sensitivity.resume.checkpoint import Checkpoint
from bitknap.sensitivity.resume.meter import Meter

from .networks import sequences

CHUNKED = [name for name in METRICS.names() if name != "weight_mse"]


def metric(name: str) -> Any:
    less = {"hawq_v2": {"draws": 3}, "hawq": {"iterations": 3}}
    return dataclasses.replace(METRICS.load(name), **less.get(name, {}))


def table(names: tuple[str, ...], checkpoint: Checkpoint | None = None, **changes: Any) -> Any:
    model, batches = sequences()
    chosen = [metric(name) for name in names]
    options: dict[str, Any] = {"metrics": chosen, "bits": (2, 8), "checkpoint": checkpoint}
    return sensitivity_table(model, batches, **{**options, **changes})


@cache
def undisturbed(names: tuple[str, ...]) -> SensitivityTable:
    return table(names)


def content(found: SensitivityTable, path: Path) -> bytes:
    """The bytes of its file, times aside."""
    passes = {name: {"passes": cost["passes"]} for name, cost in found.metric_cost.items()}
    save_table(dataclasses.replace(found, metric_cost=passes), path)
    return path.read_bytes()


class Stop(BaseException):
    """Stands for a kill."""


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Stops the process, so to say, when it is about to keep one more chunk than that."""
    real = module.write_atomically

    def arm(chunks: int) -> None:
        left = [chunks + 1]  # The first file is the provenance.

        def write(path: Path, data: bytes | str) -> None:
            if left[0] == 0:
                monkeypatch.setattr(module, "write_atomically", real)
                raise Stop
            left[0] -= 1
            real(path, data)

        monkeypatch.setattr(module, "write_atomically", write)

    return arm


@pytest.mark.parametrize("name", CHUNKED)
def test_a_stopped_run_ends_with_the_same_bytes(
    name: str, tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    folder = tmp_path / "partial"
    stop_at(2)
    with pytest.raises(Stop):
        table((name,), Checkpoint(folder))
    assert list(folder.glob("*/*.npz"))
    said: list[str] = []
    checkpoint = Checkpoint(folder, say=said.append)
    found = table((name,), checkpoint)
    assert any("resuming" in text for text in said)
    whole = content(undisturbed((name,)), tmp_path / "a.npz")
    assert content(found, tmp_path / "b.npz") == whole
    checkpoint.discard([name])
    assert not folder.exists()


def test_nothing_is_computed_twice(tmp_path: Path, stop_at: Callable[[int], None]) -> None:
    def run(seen: list[int], stop: int = -1) -> list[float]:
        def compute(number: int) -> dict[str, Any]:
            seen.append(number)
            if number == stop:
                raise Stop
            return {"value": np.array(number / 3)}

        checkpoint = Checkpoint(tmp_path / "partial")
        checkpoint.open({"seed": 0})
        checkpoint.begin("any", Meter())
        parts = checkpoint.map("pass", 6, compute, lambda *_: None)
        return [float(part["value"]) for part in parts]

    first: list[int] = []
    with pytest.raises(Stop):
        run(first, stop=4)
    second: list[int] = []
    assert run(second) == [number / 3 for number in range(6)]
    assert first == [0, 1, 2, 3, 4]
    assert second == [4, 5]


def test_an_iteration_keeps_its_newest_state_alone(tmp_path: Path) -> None:
    def run(steps: list[int], stop: int) -> list[int]:
        checkpoint = Checkpoint(tmp_path / "partial")
        checkpoint.open({})
        checkpoint.begin("any", Meter())

        def step(number: int, state: dict[str, Any]) -> dict[str, Any]:
            if number == stop:
                raise Stop
            steps.append(number)
            parts = checkpoint.map(
                f"loop {number}", 2, lambda n: {"x": np.array(n)}, lambda *_: None
            )
            return {"x": state["x"] * 2 + sum(part["x"] for part in parts)}

        return [
            int(state["x"]) for state in checkpoint.iterate("loop", {"x": np.array(1)}, step, 5)
        ]

    steps: list[int] = []
    with pytest.raises(Stop):
        run(steps, stop=4)
    assert [path.name for path in (tmp_path / "partial").glob("*/*.npz")] == ["000003.npz"]
    assert run(steps, stop=0) == [15, 31, 63]
    assert steps == [1, 2, 3, 4, 5]


def test_costs_of_all_parts_add_up(tmp_path: Path, stop_at: Callable[[int], None]) -> None:
    stop_at(2)
    with pytest.raises(Stop):
        table(("fisher",), Checkpoint(tmp_path / "partial"))
    (stage,) = (tmp_path / "partial").glob("fisher.*/")
    for path in stage.glob("*.npz"):
        arrays = module.decode(path.read_bytes())
        cost = {"seconds": 100.0, "cpu_seconds": 200.0, "peak_bytes": 1e15}
        path.write_bytes(module.encode({**arrays, module.COST: module.text(cost)}))
    cost = table(("fisher",), Checkpoint(tmp_path / "partial")).metric_cost["fisher"]
    assert 200 < cost["seconds"] < 250
    assert 400 < cost["cpu_seconds"] < 450
    assert cost["peak_bytes"] == 1e15


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"bits": (2, 4)}, "bits"),
        ({"seed": 7}, "seed"),
        ({"chunk": 2}, "chunk"),
        ({"loss_fn": lambda output, batch: output.square().sum(dim=1)}, "loss"),
        ({"forward": lambda model, batch: model(2 * batch[0])}, "behaviour, forward"),
        ({"provenance": {"workload": "other"}}, "workload"),
    ],
)
def test_stale_chunks_are_refused_by_name(
    changes: dict[str, Any], named: str, tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    folder = tmp_path / "partial"
    stop_at(2)
    with pytest.raises(Stop):
        table(("mc_fisher",), Checkpoint(folder))
    said: list[str] = []
    found = table(("mc_fisher",), Checkpoint(folder, say=said.append), **changes)
    assert said == [f"{folder} was made with other {named}; computing it again"]
    fresh = table(("mc_fisher",), **changes)
    assert content(found, tmp_path / "a.npz") == content(fresh, tmp_path / "b.npz")


def test_damaged_chunks_are_computed_again(tmp_path: Path, stop_at: Callable[[int], None]) -> None:
    folder = tmp_path / "partial"
    stop_at(2)
    with pytest.raises(Stop):
        table(("fisher",), Checkpoint(folder))
    damaged = next(folder.glob("*/000001.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-30])
    said: list[str] = []
    found = table(("fisher",), Checkpoint(folder, say=said.append))
    assert said == [f"{damaged} is damaged; computing it again", "scores: resuming at 1 of 3"]
    whole = content(undisturbed(("fisher",)), tmp_path / "a.npz")
    assert content(found, tmp_path / "b.npz") == whole
    (folder / "provenance.json").write_text("{")
    table(("fisher",), Checkpoint(folder, say=said.append))
    assert said[-1] == f"{folder} cannot be read; computing it again"


def test_bug_a_copy_of_the_neighbour_was_taken_for_a_chunk(
    tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    folder = tmp_path / "partial"
    stop_at(2)
    with pytest.raises(Stop):
        table(("fisher",), Checkpoint(folder))
    copy = next(folder.glob("*/000001.npz"))
    copy.write_bytes(copy.with_name("000000.npz").read_bytes())
    said: list[str] = []
    found = table(("fisher",), Checkpoint(folder, say=said.append))
    assert said[0] == f"{copy} is damaged; computing it again"
    whole = content(undisturbed(("fisher",)), tmp_path / "a.npz")
    assert content(found, tmp_path / "b.npz") == whole


def test_bug_a_foreign_folder_was_removed_for_chunks(tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        table(("fisher",), Checkpoint(tmp_path / "partial"))
    assert (tmp_path / "partial" / "thesis.txt").read_text() == "mine"


def test_another_run_may_tidy_up_meanwhile(tmp_path: Path) -> None:
    def chunks() -> Any:
        checkpoint = Checkpoint(tmp_path / "partial")
        checkpoint.open({})
        checkpoint.begin("any", Meter())
        parts = checkpoint.map("pass", 4, lambda n: {"x": np.array(n)}, lambda *_: None)
        return checkpoint, (int(part["x"]) for part in parts)

    assert list(chunks()[1]) == [0, 1, 2, 3]
    _, slow = chunks()
    assert next(slow) == 0
    other, quick = chunks()
    assert list(quick) == [0, 1, 2, 3]
    other.discard(["any"])
    assert not (tmp_path / "partial").exists()
    assert list(slow) == [1, 2, 3]


def test_settings_of_a_metric_have_chunks_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    for draws in (3, 4):
        hutchinson = dataclasses.replace(METRICS.load("hawq_v2"), draws=draws)
        found = table((), Checkpoint(folder), metrics=(hutchinson,))
        fresh = table((), metrics=(hutchinson,))
        assert found.omega["hawq_v2"].tobytes() == fresh.omega["hawq_v2"].tobytes()
    assert len(list(folder.glob("hawq_v2.*/"))) == 2


def test_chunks_bound_the_samples_at_once() -> None:
    lengths: list[int] = []

    def forward(model: Any, batch: Any) -> Any:
        lengths.append(len(batch[0]))
        return model(batch[0])

    found = table(("fisher", "loss"), chunk=2, forward=forward)
    assert max(lengths) == 2
    assert found.provenance["chunk"] == 2
    plain = table(("fisher", "loss"))
    assert "chunk" not in plain.provenance
    assert "chunk" not in table(("fisher",), chunk=64).provenance
    for name in ("fisher", "loss"):
        assert found.omega[name] == pytest.approx(plain.omega[name], rel=1e-10)
    with pytest.raises(DataError, match="a chunk needs one sample at least"):
        table(("fisher",), chunk=0)


def test_batches_cut_along_something_else_are_refused() -> None:
    model, series = nn.Linear(3, 2).eval(), torch.ones(6, 4, 3)
    with pytest.raises(
        UnsupportedError,
        match="alone have 4 losses: the batch does not run",
    ):
        sensitivity_table(
            model,
            [series],
            metrics=("fisher",),
            chunk=2,
            loss_fn=lambda output, batch: output.square().sum(dim=(0, 2)),
        )


def test_provenance_is_readable(tmp_path: Path) -> None:
    table(("fisher",), Checkpoint(tmp_path / "partial"))
    facts = json.loads((tmp_path / "partial" / "provenance.json").read_text())
    assert facts["format"] == "bitknap.chunks/2"
    assert facts["loss"] == "default"
