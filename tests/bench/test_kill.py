"""Kill a run at a random moment, start it again: the same bytes, times aside."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from .long_run import MODULE, command, content, environment

TRIALS = 20


@pytest.mark.slow
def test_killed_runs_end_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    start = time.monotonic()
    finish(tmp_path, "whole.npz")
    longest = time.monotonic() - start
    draw, kills, resumed = random.Random(0), 0, 0
    while kills < TRIALS:
        name = f"table{kills}.npz"
        (tmp_path / name).unlink(missing_ok=True)
        if not killed(tmp_path, name, draw.uniform(0, longest)):
            continue
        kills += 1
        resumed += "resuming at" in finish(tmp_path, name)
        assert content(tmp_path / name) == content(tmp_path / "whole.npz")
        assert not list(tmp_path.glob("*.partial"))
    print(f"{kills} kills, {resumed} of them within a metric")
    assert resumed > 0


def killed(folder: Path, name: str, seconds: float) -> bool:
    """Whether a run was killed that many seconds after its start; it may have been done."""
    process = subprocess.Popen(
        command(folder / name), cwd=folder, env=environment(PAUSE="0.01"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    process.kill()
    return process.wait() != 0


def finish(folder: Path, name: str) -> str:
    """Run to the end; what was said on the way."""
    done = subprocess.run(
        command(folder / name), cwd=folder, env=environment(PAUSE="0.01"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr
