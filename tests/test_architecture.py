"""The house rules that an import or a listing can break."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "problems": set(),
    "sensitivity": {"problems"},
    "solvers": {"problems"},
    "bench": {"problems", "sensitivity", "solvers"},
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_what_they_stand_on(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            parts = name.split(".")
            assert parts[0] not in ALLOWED, f"{path} imports {name} as a global name"
            if parts[0] == "bitknap":
                assert len(parts) > 1, f"{path} imports the top of the package"
                assert parts[1] in ALLOWED[room] | {room}, f"{path} imports {name}"


def test_every_package_is_listed() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = config["tool"]["setuptools"]
    here = {
        ".".join(["bitknap", *path.parent.relative_to(ROOT).parts])
        for room in ALLOWED
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(listed["packages"]) == here | {"bitknap", "bitknap.commands"}
    folders = {name: name.removeprefix("bitknap.").replace(".", "/") for name in here}
    assert listed["package-dir"] == folders | {"bitknap": "bitknap"}


def test_links_lead_to_the_rooms() -> None:
    for room in ALLOWED:
        assert (ROOT / "bitknap" / room).resolve() == ROOT / room


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import bitknap.problems", {"torch", "ortools", "pulp", "scipy"}),
        ("import bitknap.solvers", {"torch", "ortools", "pulp", "scipy"}),
        ("import bitknap.sensitivity", {"torch", "ortools", "pulp"}),
        ("from bitknap.cli import build_app; build_app(None)", {"torch", "ortools"}),
        (
            "import bitknap; from bitknap.solvers import solve\n"
            "solve(bitknap.build_instance([[(3, 1), (1, 2)]], 1), 'core')",
            {"torch", "ortools", "pulp", "scipy", "matplotlib"},
        ),
    ],
)
def test_import_stays_light(code: str, banned: set[str]) -> None:
    program = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not banned & set(run.stdout.split())
