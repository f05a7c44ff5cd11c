"""README and docs print what their commands and results say; pages are linked and complete."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from bitknap.bench.documents.consoles import BLOCK, update
from bitknap.bench.documents.results import filled
from bitknap.cli import COMMANDS
from bitknap.problems.families.mpq import generate
from bitknap.solvers import SOLVERS, Status, solve

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "problems", "sensitivity", "solvers")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_examples_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    _, changed = update(page.read_text(encoding="utf-8"), tmp_path)
    assert not changed, "\n".join([*changed, "run `make docs-examples` and read the change"])


def test_a_changed_output_is_seen_and_written(tmp_path: Path) -> None:
    text = "```console\n$ python -c 'print(6 * 7)'\n41\n```\n"
    new, changed = update(text, tmp_path)
    assert new == text.replace("41", "42")
    assert len(changed) == 1
    assert update(new, tmp_path) == (new, [])


def test_dots_stand_for_any_text(tmp_path: Path) -> None:
    text = "```console\n$ python -c 'print(1.25, \"seconds\")'\n... seconds\n```\n"
    assert update(text, tmp_path) == (text, [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_what_the_results_say(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text, page.parent) == text, "run `make tables`"


def test_the_results_have_every_solver() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert all(f"| {name} | " in text for name in SOLVERS.names()), "run `make results`"


def test_the_page_of_commands_has_every_command() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS.names() if f"| `bitknap {name}" not in text] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


CODE = re.compile(
    r"^```.*?^```|``[^`]*``|`[^`]*`|^<picture>.*?^</picture>", re.MULTILINE | re.DOTALL
)
TAG = re.compile(r"<[A-Za-z/].*")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_formula_is_taken_for_a_tag(page: Path) -> None:
    """``<a, b>`` outside of code is HTML, and is not shown."""
    assert TAG.findall(CODE.sub("", page.read_text(encoding="utf-8"))) == []


FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_formulas_are_closed_and_show_on_the_site_and_on_forges(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    assert "$" not in FORMULA.sub("", text)
    for block, inline in FORMULA.findall(text):
        formula = block or inline
        assert formula.count("{") == formula.count("}"), formula
        assert not re.search(r"\|" if block else r"\||\n|\\[^A-Za-z]|^\s|\s$", formula), formula


def test_no_formula_of_a_docstring_is_taken_for_a_tag() -> None:
    modules = [p for room in ("bitknap", *ROOMS) for p in (ROOT / room).rglob("*.py")]
    with_docstring = ast.Module, ast.ClassDef, ast.FunctionDef
    nodes = [node for p in modules for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))]
    texts = [ast.get_docstring(n) or "" for n in nodes if isinstance(n, with_docstring)]
    assert len(texts) > len(modules)
    assert [tag for text in texts for tag in TAG.findall(CODE.sub("", text))] == []


def test_the_solver_of_the_page_works_as_one_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "upwards" not in SOLVERS.names()
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "upwards.py").write_text(blocks[0], encoding="utf-8")
    package = importlib.import_module("bitknap.solvers.methods")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert package.__spec__ is not None
    monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)
    monkeypatch.delitem(vars(SOLVERS), "files")
    assert "upwards" in SOLVERS.names()
    assert SOLVERS.summary("upwards").startswith("Greedy from below")
    instance = generate(classes=54, seed=1)
    answer = solve(instance, "upwards")
    best = solve(instance)
    assert answer.status is Status.FEASIBLE
    assert answer.objective is not None
    assert best.objective is not None
    lightest = instance.objective(instance.from_labels(dict.fromkeys(instance.class_names, "2")))
    assert best.objective <= answer.objective < lightest / 10
