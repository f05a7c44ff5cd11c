"""The report of a folder: what it shows, writes and refuses."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bitknap.bench.report.sections as section_package
from bitknap.bench.job.plan_rows import finding, plan_rows, preferred
from bitknap.bench.job.results import load_results
from bitknap.bench.job.run import run_job
from bitknap.bench.job.tables import short_budget
from bitknap.bench.report import SECTIONS
from bitknap.bench.report.resampled import SURE
from bitknap.bench.report.sections import confidence
from bitknap.bench.report.source import open_source
from bitknap.bench.report.write import write_report
from bitknap.bench.tables.latex import latex
from bitknap.bench.tables.table import Table
from bitknap.plans.layer_plan import Plan
from bitknap.problems import BitknapError, DataError, UnsupportedError

from .commands import call
from .conftest import make_suite
from .tiny import quiet, tiny_job

ROOT = Path(__file__).parents[2]


def snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_a_run_is_shown_from_its_folder_the_same_every_time(run_folder: Path) -> None:
    first = snapshot(run_folder)
    page = write_report(run_folder).read_text()
    assert snapshot(run_folder) == first
    assert headings(page)[:6] == [
        "Sensitivities",
        "Predicted loss: the frontier",
        "Bits by layer",
        "Confidence of each layer&#39;s choice",
        "Metrics compared",
        "How it was solved",
    ]
    assert page.count('<details class="part">') == len(headings(page))
    assert headings(page)[-2:] == ["Reproduce", "Not in the data"]
    assert "<pre>bitknap run --workload tiny\nbitknap report" in page
    assert "6 of 6 optima proven and checked again" in page
    for banned in ("http://", "https://", " src=", "<link", "@import"):
        assert banned not in re.sub(r"http://www\.w3\.org[^\"]*", "", page)


def test_every_figure_and_table_is_a_file(run_folder: Path, suite_folder: Path) -> None:
    for folder, figures, tables in (
        (
            run_folder,
            {"plans", "sensitivities_fisher", "frontier", "bits_by_layer", "accuracy"},
            {"recommended", "accuracy", "optima", "solvers", "metric_cost", "confidence_fisher"},
        ),
        (
            suite_folder,
            {"profile", "time_against_size", "gap_by_solver"},
            {"instances", "solvers", "groups", "growth", "cost_of_certainty", "environment"},
        ),
    ):
        files = set(snapshot(folder))
        for name in figures:
            assert {f"figures/{name}.{kind}" for kind in ("png", "svg", "pdf", "csv")} <= files
        for name in tables:
            assert {f"tables/{name}.{kind}" for kind in ("csv", "tex")} <= files
    with (run_folder / "tables" / "solves.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 18
    with (run_folder / "figures" / "frontier.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    measured = {row["plan"] for row in rows if row["measured accuracy"]}
    assert {"optimum at 3", "greedy at 3", "uniform 2", "uniform 8"} <= measured


def test_a_benchmark_is_shown_with_what_it_lacks(suite_folder: Path) -> None:
    page = (suite_folder / "report.html").read_text()
    assert "Solvers compared: made" in page
    assert "4 solvers on 6 instances, 24 runs." in page
    wanted = {"Performance profile", "Time against size", "Above the optimum, by solver"}
    assert wanted <= set(headings(page))
    absent = page[page.index("Not in the data") :]
    assert "<dt>Bits by layer</dt>" in absent
    with (suite_folder / "figures" / "profile.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["success"] == "Optimum proven"]
    shares = {r["solver"]: float(r["share"]) for r in rows}
    assert shares["core"] == 1.0
    assert shares["dp"] == pytest.approx(4 / 6, abs=1e-5)
    assert "greedy" not in shares


def read(folder: Path, name: str) -> list[list[str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def test_a_benchmark_tells_who_proves_and_how_fast(suite_folder: Path) -> None:
    assert read(suite_folder, "proofs") == [
        ["a_rather_long_name", "exact", "6/6", "0", "6/6", "0"],
        ["core", "exact", "6/6", "6", "6/6", "0"],
        ["dp", "exact", "4/6", "0", "4/6", "0"],
        # 10 + 0.01^4 and the like, never 10.
        ["greedy", "heuristic", "-", "-", "0/6", "0"],
    ]
    # Times are as 30 : 1 : 4, but dp has no proof on the two largest instances.
    assert read(suite_folder, "speedups") == [
        ["a_rather_long_name", "all others", "6", "0.0333", "0.0333", "0.0333"],
        ["core", "all others", "6", "4", "4", "30"],
        ["dp", "all others", "4", "0.25", "0.25", "0.25"],
    ]


def test_the_environment_is_a_table(suite_folder: Path) -> None:
    assert read(suite_folder, "environment") == [
        ["command", "bitknap bench made"],
        ["runs", "24"],
        ["solve time", "4.71 s"],
        ["processor time", "2.35 s"],
        ["share of the processor", "0.50 to 0.50"],
        ["machine", "a machine"],
        ["versions", "python 3.11"],
    ]


def test_sections_and_place_can_be_chosen(suite_folder: Path, tmp_path: Path) -> None:
    page = write_report(suite_folder, out=tmp_path / "a.html", only=["gaps"])
    assert page == tmp_path / "a.html"
    assert headings(page.read_text()) == []
    assert "How far every solver's choice is above" in page.read_text().replace("&#39;", "'")
    assert set(snapshot(tmp_path)) == {
        "a.html",
        *(f"figures/gap_by_solver.{kind}" for kind in ("png", "svg", "pdf", "csv")),
        "tables/cost_of_certainty.csv",
        "tables/cost_of_certainty.tex",
    }
    with pytest.raises(UnsupportedError, match="no section is named 'gap'"):
        write_report(suite_folder, only=["gap"])
    with pytest.raises(DataError, match=r"nothing to show; Metrics compared needs"):
        write_report(suite_folder, only=["accuracy"])


def test_a_new_section_is_one_new_file(
    suite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", docs, re.DOTALL)
    (tmp_path / "mishaps.py").write_text(code)
    monkeypatch.setattr(
        section_package.__spec__,
        "submodule_search_locations",
        [*section_package.__path__, str(tmp_path)],
    )
    monkeypatch.setattr(section_package, "__path__", [*section_package.__path__, str(tmp_path)])
    assert "mishaps" not in SECTIONS.names()
    monkeypatch.delitem(vars(SECTIONS), "files")
    assert "mishaps" in SECTIONS.names()
    shown = ["environment", "mishaps", "what_was_run"]
    page = write_report(suite_folder, out=tmp_path / "out", only=shown).read_text()
    assert headings(page) == ["What went wrong", "Settings", "Environment"]
    assert "<p>0 of 24 runs went wrong.</p>" in page


def test_bad_folders_are_one_sentence(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        call("report", tmp_path / "none")
    with pytest.raises(
        DataError, match=r"holds neither run.json nor records.jsonl nor tables/cells"
    ):
        call("report", tmp_path)
    for name, text, words in (
        ("run.json", "{}", "is not a bitknap.run/1 file"),
        ("run.json", '{"format": "bitknap.run/1"}', "lacks the key 'asked'"),
        ("table.npz", "PK", "not a sensitivity table"),
        ("solutions/fisher_3_dp.json", "{}", "is no solution of"),
        ("instances/fisher_3.json", "{", "is not valid JSON"),
    ):
        broken = tmp_path / "broken"
        shutil.copytree(run_folder, broken, ignore=shutil.ignore_patterns("figures"))
        (broken / name).write_text(text)
        with pytest.raises(BitknapError, match=words):
            call("report", broken)
        shutil.rmtree(broken)


def test_another_table_is_noticed(run_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run_folder, broken, ignore=shutil.ignore_patterns("figures"))
    text = (broken / "run.json").read_text()
    (broken / "run.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DataError, match=r"table.npz is not the table of .*run.json"):
        call("report", broken)


def test_latex_prints_what_it_is_given() -> None:
    table = Table(
        "50 % of_it", ("a_b", "x"), [["c & d", "1 %"], ["#{~^\\}$", "<2>"]], ["note\nline"]
    )
    lines = latex(table).splitlines()
    assert lines[:3] == ["% 50 % of_it", "% note", "% line"]
    assert lines[3] == r"\begin{tabular}{lr}"
    assert lines[5] == r"a\_b & x \\"
    assert lines[7] == r"c \& d & 1 \% \\"
    assert lines[8] == (
        r"\#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}\$ & "
        r"\textless{}2\textgreater{} \\"
    )
    assert lines[-1] == r"\end{tabular}"


def test_two_benchmarks_are_compared(suite_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_suite(other, slower=2.0)
    moved = (other / "records.jsonl").read_text().replace("a machine", "another machine")
    lines = moved.splitlines()
    lines[0] = lines[0].replace('"optimal"', '"feasible"')
    (other / "records.jsonl").write_text("\n".join(lines) + "\n")
    page = write_report(suite_folder, other, tmp_path / "out").read_text()
    assert headings(page) == [
        "What differs in setting and environment",
        "Time",
        "Answers",
        "Not in the data",
    ]
    with (tmp_path / "out" / "tables" / "time_summary.csv").open() as stream:
        rows = {row["solver"]: row for row in csv.DictReader(stream)}
    assert rows["greedy"]["geometric mean"] == "2"
    assert (rows["core"]["instances"], rows["dp"]["instances"]) == ("5", "4")
    assert "1 of 24 pairs of solver and instance differ in their answer." in page
    with (tmp_path / "out" / "tables" / "differences.csv").open() as stream:
        assert list(csv.reader(stream))[1:] == [["machine", "a machine", "another machine"]]


def test_two_runs_are_compared(run_folder: Path, tmp_path: Path) -> None:
    changes = {"seed": 1, "samples": 16, "metrics": ("fisher",), "solvers": ("core",)}
    run_job(tiny_job(tmp_path / "b", **changes), quiet)
    page = write_report(run_folder, tmp_path / "b", tmp_path / "out").read_text()
    assert headings(page)[-3:] == ["Accuracy", "Changed plans", "Not in the data"]
    tables = tmp_path / "out" / "tables"
    with (tables / "differences.csv").open() as stream:
        differ = {row[0]: row[1:] for row in csv.reader(stream)}
    assert differ["samples"] == ["64", "16"]
    assert not [row for row in differ.values() if {"[", "{"} & set("".join(row))]
    with (tables / "accuracy.csv").open() as stream:
        rows = {(r["plan"], r["budget"]): r for r in csv.DictReader(stream)}
    assert rows["float", "-"]["B - A"] == "+0.00"
    first, second = (load_results(folder) for folder in (run_folder, tmp_path / "b"))
    one, two = (r.best("fisher", "3").labels or {} for r in (first, second))
    changed = sum(one[layer] != two[layer] for layer in one)
    assert f"fisher at 3: {changed} of {len(one)} layers changed." in page
    same = write_report(run_folder, run_folder, tmp_path / "same").read_text()
    assert "The same was asked, on the same machine with the same versions." in same


def test_the_first_screen_has_the_plans_with_their_files(run_folder: Path) -> None:
    page = write_report(run_folder).read_text()
    first = page[: page.index('<section id="sensitivities">')]
    results = load_results(run_folder)
    rows = plan_rows(results)
    assert finding(rows) in html.unescape(first)
    copied = [json.loads(html.unescape(c)) for c in re.findall(r'data-copied="(.*?)"', first)]
    assert copied == [dict(found.plan) for found in results.recommended.values()]
    files = re.findall(r'<a href="(plans/.*?)">JSON', first)
    assert [Plan.load(run_folder / file).budget for file in files] == ["2.25", "3", "2kB"]
    opened = re.findall(r"<details open><summary>(.*?)</summary>", first)
    assert len(opened) == 1
    assert opened[0].startswith(short_budget(preferred(rows).budget))
    columns = read(run_folder, "recommended")
    assert [row[-1] for row in columns] == [
        f"{(source >= SURE).sum()} of 3"
        for source in (
            open_source(run_folder).resampled["fisher"].share(row.budget, row.plan.plan)
            for row in rows
        )
    ]


def test_every_link_of_the_page_leads_to_a_file(run_folder: Path, suite_folder: Path) -> None:
    for folder in (run_folder, suite_folder):
        links = re.findall(r'<a href="([^#"]+)"', (folder / "report.html").read_text())
        assert len(links) > 20
        assert [link for link in links if not (folder / link).is_file()] == []


def test_the_smallest_plan_of_a_damage_is_shown_too(tmp_path: Path) -> None:
    results = run_job(tiny_job(tmp_path, full=False, metrics=("fisher",), max_kl=0.5), quiet)
    page = write_report(tmp_path, only=["plans", "bits_by_layer"]).read_text()
    assert next(iter(results.recommended)) == "0.5KL"
    rows = read(tmp_path, "recommended")
    assert (rows[0][0], rows[0][-2:], rows[1][-1] == "-") == ("0.5KL", ["-", "-"], False)
    assert '<a href="plans/0.5KL.json">JSON' in page


@pytest.mark.parametrize(
    ("same", "words"), [([0.135], "14 % of"), ([0.4, 0.1, 0.9], "10 to 90 % of"), ([1, 1], "100 %")]
)
def test_the_confidence_in_a_line_names_each_share_once(same: list[float], words: str) -> None:
    plans = {str(i): SimpleNamespace(same=share) for i, share in enumerate(same)}
    source: Any = SimpleNamespace(resampled={"fisher": SimpleNamespace(plans=plans)})
    assert confidence._gist(source).startswith(words)
