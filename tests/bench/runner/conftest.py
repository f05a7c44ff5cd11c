"""A copy of the package with planted solvers, and the command line run on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

PLANT = '''
"""Planted: {stem}."""

import os, signal, subprocess, sys, time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitknap.solvers.base import Outcome, Status
from bitknap.solvers.local import improve, lightest

SLEEP = "import time; time.sleep(1.5 * 99)"

@dataclass(frozen=True)
class Planted:
    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance):
        return None

    def solve(self, instance, limits):
        start = lightest(instance)
        if len(instance) > 2:
            {body}
        return Outcome(Status.FEASIBLE, start)


SOLVER = Planted()
'''


def plant(folder: Path, bodies: dict[str, str]) -> Path:
    """A package of links to this one, whose solvers have more methods; returns its parent."""
    package, methods = folder / "bitknap", folder / "bitknap" / "solvers" / "methods"
    methods.mkdir(parents=True)
    for target, source in (
        (package, ROOT / "bitknap"),
        (package / "solvers", ROOT / "solvers"),
        (methods, ROOT / "solvers" / "methods"),
    ):
        for path in source.iterdir():
            if path.name != "__pycache__" and not (target / path.name).exists():
                (target / path.name).symlink_to(path.resolve())
    for stem, body in bodies.items():
        (methods / f"{stem}.py").write_text(PLANT.format(stem=stem, body=body))
    return folder


def bitknap(*arguments: str | Path, home: Path = ROOT, **options: Any) -> subprocess.Popen[str]:
    """The command line of the package in ``home``, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "bitknap", *map(str, arguments)],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def outcomes(folder: Path) -> list[dict[str, Any]]:
    """The records of a folder in a fixed order, without times and memory."""
    lines = (folder / "records.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        del row["seconds"], row["cpu_seconds"], row["memory"]
    return sorted(rows, key=lambda row: (row["instance"], row["solver"], row["repeat"]))


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Path]:
    """Writes a suite file of small instances, with the lines given."""

    def write(*lines: str, classes: str = "[20]", name: str = "suite") -> Path:
        path = tmp_path / f"{name}.toml"
        entry = ["[[instances]]", 'family = "mpq"', f"vary = {{ classes = {classes} }}"]
        path.write_text("\n".join([*lines, *entry]) + "\n")
        return path

    return write


LINES = ('solvers = ["greedy", "annealing"]', "repeat = 4", "seed = 5")
CLASSES = "[12, 16]"
RUNS = 16


def finish(suite: Path, out: Path, timeout: float = 120) -> str:
    done = bitknap("bench", suite, "--out", out, "--workers", 2)
    stdout, stderr = done.communicate(timeout=timeout)
    assert done.returncode == 0, stderr
    return stdout


def lines_of(out: Path) -> int:
    path = out / "records.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suite that ran in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    entry = f'[[instances]]\nfamily = "mpq"\nvary = {{ classes = {CLASSES} }}\n'
    (folder / "suite.toml").write_text("\n".join([*LINES, entry]))
    finish(folder / "suite.toml", folder / "out")
    return folder / "out"


def wait_until(reached: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)
