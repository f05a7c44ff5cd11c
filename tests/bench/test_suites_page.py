"""What docs/suites.md and the README say of the suites is what the tables there show."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def table(suite: str, name: str) -> list[dict[str, str]]:
    """The rows of a committed table; a suite that has not been run is skipped."""
    path = ROOT / "docs" / "results" / "suites" / f"{suite}-{name}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        pytest.skip(f"{path.name} has no rows: `make suites suites-results`")
    return rows


def test_the_page_shows_the_commands_that_are_run() -> None:
    commands = re.findall(
        r"\(BIN\)/(bitknap bench .* --workers 1)", (ROOT / "Makefile").read_text()
    )
    page = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    assert len(commands) == 5
    assert all(f"\n{command}\n" in page for command in commands)


@pytest.mark.parametrize("suite", ["mpq", "multi-resource", "pisinger", "scaling", "large"])
def test_no_claim_is_false(suite: str) -> None:
    assert {row["false claims"] for row in table(suite, "proofs")} == {"0"}


@pytest.mark.parametrize(
    ("suite", "best", "complete"),
    [
        ("mpq", "core", {"core", "multi"}),
        ("multi-resource", "multi", {"multi"}),
        ("pisinger", "core", {"core"}),
        ("scaling", "core", {"core"}),
        ("large", "core", {"core"}),
    ],
)
def test_who_proves_all_and_is_fastest_on_most(suite: str, best: str, complete: set[str]) -> None:
    rows = {row["solver"]: row for row in table(suite, "proofs") if row["kind"] == "exact"}
    proven = {name: row["proven"].split("/") for name, row in rows.items()}
    every = max(int(of) for _, of in proven.values())
    assert {name for name, (count, _) in proven.items() if int(count) == every} == complete
    wins = {name: int(row["fastest proof"]) for name, row in rows.items()}
    assert 2 * wins[best] > sum(wins.values())


@pytest.mark.parametrize(
    ("suite", "best", "least"),
    [("mpq", "core", 2.0), ("pisinger", "core", 2.0), ("multi-resource", "multi", 1.0)],
)
def test_the_best_beats_the_general_solvers_on_every_instance(
    suite: str, best: str, least: float
) -> None:
    (row,) = [
        row
        for row in table(suite, "speedups")
        if row["solver"] == best and row["against the best of"] != "all others"
    ]
    assert float(row["least"]) > least


def test_heuristics_stand_as_the_page_says() -> None:
    found = {
        row["solver"]: int(row["optimum found"].split("/")[0])
        for row in table("multi-resource", "proofs")
        if row["kind"] == "heuristic"
    }
    assert max(found, key=lambda name: found[name]) == "lagrangian"
    greedy = [row for row in table("pisinger", "proofs") if row["solver"] == "greedy"]
    assert [row["optimum found"].split("/")[0] for row in greedy] == ["0"]


def test_cpsat_proves_no_small_costs() -> None:
    (row,) = [row for row in table("mpq", "groups") if row["solver"] == "cpsat"]
    assert row["costs of 1e-9"].endswith("(0/6)")
