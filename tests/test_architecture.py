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
    "plans": {"problems", "sensitivity", "solvers"},
    "bench": {"plans", "problems", "sensitivity", "solvers"},
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


def test_solvers_load_numpy_alone() -> None:
    program = (
        "import sys; before = set(sys.modules); import bitknap.solvers\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert set(loaded) - set(sys.stdlib_module_names) == {"bitknap", "numpy"}


def imports(path: Path) -> set[tuple[str, ...]]:
    """Modules that a file imports from the package when it runs, late imports included."""
    package = path.relative_to(ROOT).parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        names = tuple((node.module or "").split(".")) if node.module else ()
        if node.level:
            names = package[: len(package) - node.level + 1] + names
        elif names[0] == "bitknap":
            names = names[1:]
        else:
            continue
        found |= {names} | {(*names, alias.name) for alias in node.names}
    return found


def cycle(arrows: dict[str, set[str]]) -> list[str]:
    """Nodes from which every arrow leads on: empty where there is no cycle."""
    left = {node: {to for to in ends if to != node} for node, ends in arrows.items()}
    while ends := {node for node, found in left.items() if not found & left.keys()}:
        left = {node: found for node, found in left.items() if node not in ends}
    return sorted(left)


def test_no_module_imports_itself_through_others() -> None:
    arrows = {}
    for room in ALLOWED:
        for path in (ROOT / room).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = parts[:-1] if parts[-1] == "__init__" else parts
            arrows[".".join(name)] = {".".join(found) for found in imports(path)}
    assert not cycle(arrows)


@pytest.mark.parametrize("room", ["bench", "sensitivity"])
def test_arrows_between_the_parts_of_a_room_run_one_way(room: str) -> None:
    parts = [path.name for path in (ROOT / room).iterdir() if (path / "__init__.py").exists()]
    arrows = {
        part: {
            found[1]
            for path in (ROOT / room / part).rglob("*.py")
            for found in imports(path)
            if found[0] == room and len(found) > 1
        }
        for part in parts
    }
    assert not cycle(arrows)
