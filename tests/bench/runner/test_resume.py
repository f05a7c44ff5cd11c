"""A suite that was killed, or ran out of disk, resumes to the records of an undisturbed one."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bitknap.bench.records.record import load_records

from .conftest import RUNS, bitknap, finish, lines_of, outcomes, wait_until


def test_the_same_command_twice_runs_once(undisturbed: Path) -> None:
    assert lines_of(undisturbed) == RUNS
    before = {path: path.read_bytes() for path in undisturbed.iterdir()}
    finish(undisturbed.parent / "suite.toml", undisturbed)
    assert {path: path.read_bytes() for path in undisturbed.iterdir()} == before


def kill_and_resume(undisturbed: Path, out: Path, kills: int, moments: random.Random) -> None:
    suite = undisturbed.parent / "suite.toml"
    for number in range(kills):
        running = bitknap("bench", suite, "--out", out, "--workers", 2)
        target = lines_of(out) + moments.randint(0, 1 + (RUNS - lines_of(out)) // (kills - number))
        until = time.monotonic() + 60
        while running.poll() is None and lines_of(out) < target and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.05))
        running.send_signal(signal.SIGKILL)
        running.communicate()
    finish(suite, out)
    assert outcomes(out) == outcomes(undisturbed)


def test_two_kills(undisturbed: Path, tmp_path: Path) -> None:
    kill_and_resume(undisturbed, tmp_path / "out", 2, random.Random(1))


@pytest.mark.slow
def test_twenty_kills(undisturbed: Path, tmp_path: Path) -> None:
    kill_and_resume(undisturbed, tmp_path / "out", 20, random.Random(2))


def test_a_full_disk_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    size = (undisturbed / "records.jsonl").stat().st_size // 3
    suite, out = undisturbed.parent / "suite.toml", tmp_path / "out"

    def no_more() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = bitknap("bench", suite, "--out", out, "--workers", 2, preexec_fn=no_more)
    _, stderr = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "cannot be written" in stderr
    assert "Traceback" not in stderr
    kept = load_records(out / "records.jsonl")
    assert 2 <= len(kept) < RUNS
    finish(suite, out)
    assert load_records(out / "records.jsonl")[: len(kept)] == kept
    assert outcomes(out) == outcomes(undisturbed)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_no_process_outlives_the_suite(
    name: str,
    code: int,
    tmp_path: Path,
    write_suite: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OF_THIS_TEST", str(tmp_path))
    suite = write_suite('solvers = ["evolutionary"]', "repeat = 500")
    # A suite of tests in the background of a shell ignores SIGINT, and so would what it starts.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = bitknap("bench", suite, "--out", tmp_path / "out", preexec_fn=heard)
    wait_until(lambda: lines_of(tmp_path / "out") >= 2)
    assert len(of_this_test(tmp_path)) == 2
    running.send_signal(getattr(signal, name))
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == code
    assert "Traceback" not in stderr
    assert ("interrupted; finished work is kept" in stderr) == (name == "SIGINT")
    wait_until(lambda: not of_this_test(tmp_path))
    assert not of_this_test(tmp_path)


def of_this_test(mark: Path) -> list[str]:
    """Processes that inherited the variable ``OF_THIS_TEST``."""
    found = []
    for pid in os.listdir("/proc"):
        try:
            if pid.isdecimal() and str(mark).encode() in Path("/proc", pid, "environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]
