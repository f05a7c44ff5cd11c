"""Suites, solvers and families that another package installs by entry points."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bitknap.bench.runner import find_suite, suite_files
from bitknap.problems import UnsupportedError, build_instance
from bitknap.solvers import SOLVERS, solve

SOLVER = '''"""Takes the first item of every class."""

from dataclasses import dataclass

import numpy as np

from bitknap.solvers.base import Method, Outcome, Status


@dataclass(frozen=True)
class First(Method):
    def solve(self, instance, limits):
        return Outcome(Status.FEASIBLE, np.zeros(len(instance), dtype=np.int64))


SOLVER = First()
'''

SUITE = """
summary = "A test set of another repository"
solvers = ["core", "first"]

[[instances]]
family = "mpq"
classes = 5
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package ``others`` with the given entry points, as pip would."""
    package, info = tmp_path / "others", tmp_path / "others-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").touch()
    (package / "nightly.toml").write_text(SUITE)
    (package / "first_item.py").write_text(SOLVER)
    (package / "broken.py").write_text("1 / 0")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(vars(SOLVERS), "installed", {})

    def run(entry_points: str) -> None:
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()
        vars(SOLVERS).pop("installed", None)

    yield run
    for name in [name for name in sys.modules if name.split(".")[0] == "others"]:
        del sys.modules[name]


def test_suites_and_solvers_of_another_package(install: Install) -> None:
    ours = set(suite_files())
    install("[bitknap.suites]\ntheirs = others\n[bitknap.solvers]\nfirst = others.first_item\n")
    assert set(suite_files()) - ours == {"theirs/nightly"}
    suite = find_suite("theirs/nightly")
    assert (suite.name, suite.summary) == ("theirs/nightly", "A test set of another repository")
    assert suite.solvers == ("core", "first")
    assert len(suite.cases) == 1
    assert "first" in SOLVERS.names()
    assert SOLVERS.summary("first") == "Takes the first item of every class."
    assert solve(build_instance([[(3, 1), (1, 2)]], 1), "first").objective == 3.0


@pytest.mark.parametrize(
    ("entry_points", "words"),
    [
        ("[bitknap.suites]\na = missing.suites\n", "names the module missing.suites, which is not"),
        ("[bitknap.suites]\na = others.none\n", "names the module others.none, which is not there"),
        ("[bitknap.solvers]\ncore = others.first_item\n", "core = others.first_item of bitknap"),
        ("[bitknap.solvers]\nb = others.broken\n", "'b' of others.broken cannot be loaded"),
        ("[bitknap.solvers]\nb = others.none\n", "'b' of others.none cannot be loaded"),
        ("[bitknap.solvers]\nb = others\n", "'b' of others cannot be loaded"),
    ],
)
def test_what_is_wrong_with_an_entry_point_is_told(
    install: Install, entry_points: str, words: str
) -> None:
    install(entry_points)
    find = find_suite if "suites" in entry_points else SOLVERS.load
    with pytest.raises(UnsupportedError, match=words):
        find("b")


def test_known_names_need_no_search_for_entry_points(install: Install) -> None:
    install("[bitknap.solvers]\ncore = others.first_item\n")
    assert SOLVERS.load("core").exact
