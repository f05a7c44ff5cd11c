from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bitknap.bench.grids import Grid
from bitknap.bench.readme import fill, main, markdown
from bitknap.bench.records import record_of, save_records
from bitknap.problems import DataError, build_instance
from bitknap.solvers import SOLVERS, solve

ROOT = Path(__file__).parents[2]


def test_a_grid_becomes_a_markdown_table() -> None:
    assert markdown(Grid("", ("plan", "3"), [["fisher", "90.1"], ["float", "-"]])) == (
        "| plan | 3 |\n| --- | ---: |\n| fisher | 90.1 |\n| float | - |\n"
    )


def make_run(folder: Path) -> Path:
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    (folder / "tables" / "accuracy.csv").write_text("plan,3\nfisher,90.1\n")
    (folder / "figures" / "accuracy.svg").write_text("<svg/>")
    solution = solve(build_instance([[(3, 1)]], 2, name="one"), "dp")
    record = replace(record_of("run", solution, seed=7, exact=True), time_limit=5.0)
    save_records([record], folder / "records.jsonl")
    return folder


def test_results_are_taken_and_the_block_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    run = str(make_run(tmp_path / "run"))
    main([str(readme), "--take", run, run])
    once = readme.read_text()
    assert once.startswith("before\n<!-- results -->\n")
    assert once.endswith("<!-- /results -->\nafter\n")
    assert "old" not in once
    assert "| fisher | 90.1 |" in once
    assert "| dp | exact | 1/1 |" in once
    assert "seed 7" in once
    assert "`bitknap bench run --time-limit 5 --repeat 1`" in once
    assert (tmp_path / "docs" / "figures" / "accuracy.svg").read_text() == "<svg/>"
    fill(readme)
    assert readme.read_text() == once


def test_an_unfinished_run_or_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results -->\n<!-- /results -->\n")
    with pytest.raises(DataError, match=r"accuracy.csv is missing .*; run `make results`"):
        main([str(readme), "--take", str(tmp_path), str(tmp_path)])
    with pytest.raises(DataError, match=r"lacks results .*; run `make results`"):
        fill(readme)
    readme.write_text("nothing")
    with pytest.raises(DataError, match="lacks the markers"):
        fill(readme)


def test_the_readme_is_what_the_kept_results_say(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    fill(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text, "run `make readme`"
    assert all(f"| {name} | " in text for name in SOLVERS.names()), "run `make results`"
