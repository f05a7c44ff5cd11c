"""A network of the user's own: `bitknap sensitivity` and `bitknap run` on ``module:function``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bitknap.bench.job.table_cache import calibration_batches
from bitknap.bench.workloads.loading import load_workload
from bitknap.problems import BitknapError, DataError, UnsupportedError
from bitknap.sensitivity import load_table
from bitknap.sensitivity.table.provenance import describe_function
from bitknap.sensitivity.tracing.batches import device_of, tensors

from ..fuzz import harness
from .tiny import tiny_workload

MODULE = """
import torch
from torch import nn
from bitknap.bench import Accuracy, Workload

def build():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    x = torch.randn(300, 6)
    y = model(x).argmax(dim=1)
    return Workload(
        name="own", title="a network of my own", model=model,
        calibration=lambda samples, seed: [(x[:samples], y[:samples])],
        loss=lambda output, batch: nn.functional.cross_entropy(output, batch[1], reduction="none"),
        evaluate=lambda m: Accuracy(int((m(x).argmax(dim=1) == y).sum()), 300),
    )

def build_from(data=None):
    assert data is not None, "no folder"
    return build()

class Broken:
    def __init__(self, field):
        self.field = field
    def __call__(self):
        from dataclasses import replace
        def broken(*args):
            raise RuntimeError(f"the {self.field} is broken")
        return replace(build(), **{self.field: broken})

loss, calibration, forward, evaluate = map(Broken, ("loss", "calibration", "forward", "evaluate"))
number = 3

def returns_a_dict():
    return {}

def divides():
    return 1 / 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "half.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "wrong.py").write_text("def build(:\n")
    return tmp_path


def bitknap(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bitknap", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def sensitivity(name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return harness.run(
        "sensitivity", name, "--out", "t.npz", "--samples", "40", "--bits", "2,4", *more
    )


def test_the_table_of_an_own_network_is_that_of_the_library(here: Path) -> None:
    done = sensitivity("mine:build", "--metrics", "fisher,hawq_v2")
    assert done.returncode == 0, done.stderr
    assert "72 weights in 2 layers" in done.stdout
    table = load_table(here / "t.npz")
    assert table.metrics == ("fisher", "hawq_v2")
    assert table.labels == ("2", "4") * 2
    assert table.scores["fisher"].shape == (40, 4)
    assert np.isfinite(table.standard_error("hawq_v2")).all()
    assert table.provenance["workload"] == "own"
    again = sensitivity("mine:build", "--metrics", "weight_mse")
    assert "reusing t.npz" in again.stderr
    assert load_table(here / "t.npz").metrics == ("fisher", "hawq_v2", "weight_mse")


def test_the_whole_job_runs_on_an_own_network(folder: Path) -> None:
    done = bitknap(
        folder, "run", "--workload", "mine:build", "--metrics", "fisher", "--samples", "40",
        "--solvers", "greedy,core", "--budgets", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "runs" / "mine-build" / "report.html").exists()


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder as current directory of this process, nothing of it imported before or after."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("mine", "half", "wrong"):
        sys.modules.pop(name, None)
    yield folder
    for name in ("mine", "half", "wrong"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fashion", "no workload is named 'fashion'"),
        ("absent:build", "there is no module 'absent', neither in"),
        ("mine.inner:build", "there is no module 'mine.inner'"),
        ("mine:biuld", "has no 'biuld'"),
        ("mine:number", "must be a function, got int"),
        ("mine:", "is written MODULE:FUNCTION"),
        ("mine:a:b", "is written MODULE:FUNCTION"),
        ("mine:returns_a_dict", "must return a bitknap.bench.Workload, got dict"),
        ("mine:divides", "mine:divides raised ZeroDivisionError: division by zero ("),
        ("mine:divides", "mine.py, line 38)"),
        ("mine:build_from", "mine:build_from raised AssertionError: no folder"),
        ("half:build", "importing half raised ModuleNotFoundError: No module named 'no_such"),
        ("wrong:build", "importing wrong raised SyntaxError"),
    ],
)
def test_what_is_wrong_is_named(name: str, words: str) -> None:
    with pytest.raises(BitknapError) as raised:
        load_workload(name)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu", "the devices are cpu and cuda, got 'gpu'"),
        pytest.param(
            "cuda",
            "finds 0; start fewer processes, or use --device cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
    ],
)
def test_a_device_that_is_not_there_is_named(device: str, words: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        load_workload("mine:build", device=device)
    assert words in str(raised.value)


@pytest.mark.usefixtures("here")
def test_network_and_calibration_data_go_to_the_device() -> None:
    workload = load_workload("mine:build").on(torch.device("meta"))
    assert device_of(workload.model).type == "meta"
    assert all(x.is_meta for batch in workload.calibration(8, 0) for x in tensors(batch))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("field", ["loss", "calibration", "forward", "evaluate"])
def test_a_failure_in_later_code_of_the_user_is_named(field: str) -> None:
    workload = load_workload(f"mine:{field}")
    arguments = (0,) if field == "evaluate" else (0, 0)
    words = rf"mine:{field}: {field} raised RuntimeError: the {field} is broken \(.*mine.py, line"
    with pytest.raises(DataError, match=words):
        getattr(workload, field)(*arguments)


def test_a_folder_reaches_a_function_that_takes_one(here: Path) -> None:
    assert load_workload("mine:build_from", here).name == "own"


def test_no_folder_goes_to_a_function_that_takes_none(here: Path) -> None:
    with pytest.raises(DataError, match="has no parameter named data"):
        load_workload("mine:build", here)


@pytest.mark.usefixtures("here")
def test_bug_an_edited_loss_of_ones_own_was_not_noticed() -> None:
    described = [
        describe_function(load_workload(name).loss) for name in ("mine:build", "mine:loss")
    ]
    assert described[0].startswith("mine.build.<locals>.")
    assert described[0] != described[1]


@pytest.mark.usefixtures("here")
def test_data_that_differ_between_two_draws_are_refused() -> None:
    workload = load_workload("mine:build")
    assert len(calibration_batches(workload, 4, 0)) == 1
    drawn = replace(workload, calibration=lambda samples, seed: [torch.randn(samples, 3)])
    with pytest.raises(DataError, match="own differ between two draws with seed 0"):
        calibration_batches(drawn, 4, 0)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mine:loss", [], "mine:loss: loss raised RuntimeError: the loss is broken ("),
        ("mine:build", ["--bits", "1"], "--bits must be whole numbers"),
        ("mine:build", ["--out", "t.json"], "--out must name an .npz file"),
    ],
)
def test_the_command_ends_in_one_sentence(
    here: Path, name: str, options: list[str], words: str
) -> None:
    done = sensitivity(name, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (here / "t.npz").exists()


def test_bug_an_accuracy_that_is_a_number_ended_in_a_traceback() -> None:
    workload = replace(tiny_workload(), evaluate=lambda network: 0.9)  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match=r"must return bitknap\.bench\.Accuracy.*got float"):
        workload.accuracy(workload.model)
