"""The site's pages of instances: one for each, with its proof, and the list of open ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bitknap.bench.documents.instance_pages import INDEX, instance_pages
from bitknap.bench.records.record import load_records
from bitknap.problems.library import library_instance, library_names, quadratic_names

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return instance_pages(RESULTS)


def test_every_instance_has_a_page_that_the_index_links(pages: dict[str, str]) -> None:
    names = [*library_names(), *quadratic_names()]
    assert set(pages) == {INDEX} | {f"library/{name}.md" for name in names}
    linked = re.findall(r"\]\((library/[^)]+)\)", pages[INDEX])
    assert sorted(linked) == sorted(set(pages) - {INDEX})


def test_a_page_states_optimum_proof_and_times(pages: dict[str, str]) -> None:
    for name in library_names():
        text = pages[f"library/{name}.md"]
        assert "| status | optimal: found by `core`, and proved by the solver-free" in text
        assert f"| best known | {library_instance(name).optimum!r} |" in text
    text = pages["library/hawq_v3/resnet18_size_0.5.md"]
    assert "| classes | 19; 16 once tied ones are merged |" in text
    assert "66,945,024 size_bits, 50 % of the way" in text
    assert re.search(r"^\| core \| exact \| optimal \| 0 \| [\d.]+ \| 3 \|$", text, re.MULTILINE)


def test_a_quadratic_page_states_what_its_file_does(pages: dict[str, str]) -> None:
    text = pages["library/quadratic/fashion-resnet18_3.md"]
    assert "optimal: proven by `quadratic_branch_bound`" in text
    assert "| quadratic_scip | feasible | 0.00934276 |" in text


def test_open_instances_are_those_that_no_record_proves(pages: dict[str, str]) -> None:
    records = load_records(RESULTS / "open" / "records.jsonl")
    text = pages[INDEX].split("## Open")[1]
    for name in {record.instance for record in records}:
        runs = [record for record in records if record.instance == name]
        proven = any(record.status == "optimal" for record in runs)
        assert (f"| `{name}` |" not in text) == proven
        best = min(record.objective for record in runs if record.objective is not None)
        assert proven or f" {best:.17g} |" in text


def test_classical_sets_have_their_best_known_profits_and_sources(pages: dict[str, str]) -> None:
    text = pages[INDEX].split("### The classical sets")[1]
    profits = dict(re.findall(r"^\| (I(?:NST)?\d+) \| ([\d,]+) \| \[", text, re.MULTILINE))
    assert len(profits) == 37
    assert profits["I07"] == "24,592"
    assert profits["INST01"] == "10,714"
