"""Tables by several processes: equal bytes, one voice, no hang when a process dies."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import torch

from bitknap.bench.job.table_cache import fill, traced
from bitknap.bench.workloads.loading import load_workload
from bitknap.sensitivity.resume.ranks import LOST

from .long_run import MODULE, command, content, environment

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this torch has no torch.distributed"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, env=environment(**variables), capture_output=True, text=True, timeout=240
    )


def own_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What bitknap itself said on stderr when it failed."""
    return [line for line in done.stderr.splitlines() if line.startswith("bitknap: ")]


def test_two_processes_make_the_table_of_one(folder: Path) -> None:
    done = run(command(folder / "two.npz", 2))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("table: ") == 1
    assert done.stderr.count("computing mc_fisher") == 1
    workload = load_workload("mine:build", None)
    batches = workload.calibration(48, 0)
    names = ("mc_fisher", "hawq", "pairwise", "loss")
    fill(traced(workload, batches, (2, 4), 0), folder / "one.npz", names, lambda text: None)
    assert content(folder / "two.npz") == content(folder / "one.npz")
    assert not list(folder.glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["0", "1", "2"])
def test_a_killed_process_ends_the_run_and_its_chunks_are_used(folder: Path, dies: str) -> None:
    start = time.monotonic()
    done = run(command(folder / "table.npz", 3), DIES=dies, PAUSE="0.01")
    assert done.returncode != 0
    assert own_lines(done) == [f"bitknap: {LOST}"]
    assert time.monotonic() - start < 120
    assert list(folder.glob("table.npz.partial/*/*.npz"))
    again = run(command(folder / "table.npz"))
    assert again.returncode == 0, again.stderr
    assert "resuming at" in again.stderr
    run(command(folder / "whole.npz"))
    assert content(folder / "table.npz") == content(folder / "whole.npz")
    assert not list(folder.glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (command(Path("t.npz"), 2), {"UNEQUAL": "1"}, "of this run have other data, model"),
        (command(Path("t.npz"), 2, "nothing"), {}, "no metric is named 'nothing'"),
    ],
)
def test_what_all_processes_find_is_said_once(
    folder: Path, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    done = run(arguments, **variables)
    assert done.returncode != 0
    (line,) = own_lines(done)
    assert sentence in line
    frames = re.findall(r'File "([^"]+)"', done.stderr)
    assert all(file.startswith("<") or "site-packages" in file for file in frames), frames


def test_other_commands_refuse_several_processes() -> None:
    from bitknap import cli

    for rank, said in (("0", 1), ("1", 0)):
        done = run(
            [*command(Path("t.npz"))[:3], "run", "--workload", "mine:build"],
            WORLD_SIZE="2",
            RANK=rank,
        )
        assert done.returncode == cli.EXIT_BAD_INPUT
        assert len(own_lines(done)) == said
        assert not done.stdout
