from __future__ import annotations

from pathlib import Path

import pytest

from bitknap.bench.readme import fill, markdown
from bitknap.bench.records import record_of, save_records
from bitknap.problems import DataError, build_instance
from bitknap.solvers import solve


def test_a_csv_becomes_a_markdown_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("plan,3\nfisher,90.1\nfloat,-\n")
    assert markdown(tmp_path / "t.csv") == (
        "| plan | 3 |\n| --- | ---: |\n| fisher | 90.1 |\n| float | - |\n"
    )


def make_run(folder: Path) -> Path:
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    (folder / "tables" / "accuracy.csv").write_text("plan,3\nfisher,90.1\n")
    (folder / "tables" / "solvers.csv").write_text("solver,gap\ngreedy,1\n")
    (folder / "figures" / "accuracy.svg").write_text("<svg/>")
    solution = solve(build_instance([[(3, 1)]], 2), "dp")
    save_records([record_of("run", solution, seed=7)], folder / "records.jsonl")
    return folder


def test_the_block_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    run = make_run(tmp_path / "run")
    fill(run, readme)
    once = readme.read_text()
    assert once.startswith("before\n<!-- results -->\n")
    assert once.endswith("<!-- /results -->\nafter\n")
    assert "old" not in once
    assert "| fisher | 90.1 |" in once
    assert "seed 7" in once
    assert (tmp_path / "docs" / "figures" / "accuracy.svg").read_text() == "<svg/>"
    fill(run, readme)
    assert readme.read_text() == once


def test_an_unfinished_run_or_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results -->\n<!-- /results -->\n")
    with pytest.raises(DataError, match="is not a finished run"):
        fill(tmp_path, readme)
    readme.write_text("nothing")
    with pytest.raises(DataError, match="lacks the markers"):
        fill(make_run(tmp_path / "run"), readme)
