"""No input ends in a traceback, hangs, eats the memory, loses a file, or passes a wrong answer.

``make fuzz`` runs more: ``FUZZ=5000 FUZZ_SEED=7 pytest tests/fuzz`` makes so many mutations of each
kind; a failure is shown with what repeats it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest
import torch  # noqa: F401  that the first command which needs it is not charged for it

from bitknap.bench.records.record import Record
from bitknap.cli import main

from .harness import Done, bounded, call
from .kinds import KINDS
from .kinds.trial import Trial

COUNT = int(os.environ.get("FUZZ", "20"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
PROCESSES = COUNT // 400
"""Trials that are repeated in a process of their own."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what trials start from; suites run nothing."""
    monkeypatch.setattr("bitknap.bench.runner.run.run_locally", lambda tasks, workers, sink: None)
    rows = [
        Record("made", f"i{k}", solver, "optimal", 1.0 + k, 1.0 + k, 0.1, exact=True, classes=9)
        for k in range(3)
        for solver in ("core", "greedy")
    ]
    facts = [
        {"group": "", "instance": f"i{k}", "instance_hash": "", "classes": 9, "items": 27,
         "resources": 1}
        for k in range(3)
    ]  # fmt: skip
    plan = {
        "format": "bitknap.suite/1", "name": "made", "summary": "one", "seed": 0,
        "allowance": {"time": 1.0}, "instances": facts, "solvers": ["core", "greedy"],
        "repeat": 1, "command": "bitknap bench made",
    }  # fmt: skip
    (tmp_path / "records.jsonl").write_text("".join(row.to_line() for row in rows))
    lines = [{"format": "bitknap.record/3"} | asdict(row) for row in rows]
    (tmp_path / "records.json").write_text(json.dumps(lines))
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_breaks(kind: str, folder: Path) -> None:
    rng = Random(f"{kind} {SEED}")
    found: dict[str, str] = {}
    codes: Counter[object] = Counter()
    with bounded(folder):
        for number in range(COUNT):
            state = rng.getstate()
            trial = KINDS[kind](rng)
            done = _done(trial)
            codes[done.code] += 1
            if (wrong := done.wrong or trial.check(done)) is not None:
                _keep(kind, number, trial)
                found.setdefault(wrong[:70], f"{number}: {trial.arguments}: {wrong}")
            assert rng.getstate() != state
            if number < PROCESSES and trial.run is main:
                _in_a_process(trial)
    print(f"{kind}: {COUNT} trials, exit codes {dict(codes)}")
    assert not found, "\n".join([f"{len(found)} kinds of fault", *found.values()])


def _done(trial: Trial) -> Done:
    shutil.rmtree("out", ignore_errors=True)
    _lay(trial)
    return call(trial.arguments, trial.run)


def _lay(trial: Trial) -> None:
    for name, data in trial.files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    if not Path("pipe").exists():
        os.mkfifo("pipe")
        Path("link.json").symlink_to("t.npz")


def _keep(kind: str, number: int, trial: Trial) -> None:
    """Keep the files of a fault where ``FUZZ_KEEP`` says."""
    if "FUZZ_KEEP" in os.environ:
        place = Path(os.environ["FUZZ_KEEP"]) / f"{kind}-{SEED}-{number}"
        for name, data in trial.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        (place / "arguments.json").write_text(json.dumps(trial.arguments))


def _in_a_process(trial: Trial) -> None:
    """The same as a user starts it; its exit code is one of ours."""
    words = [word.encode("utf-8", "surrogateescape") for word in trial.arguments]
    command = [os.fsencode(sys.executable), b"-m", b"bitknap", *words]
    done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    assert done.returncode in (0, 1, 2, 3, 4), done.stderr
    assert b"Traceback" not in done.stderr
