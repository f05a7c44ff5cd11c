"""Documents are filled from the results beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bitknap.bench.documents.results import filled, main, markdown
from bitknap.bench.records.record import record_of, save_records
from bitknap.problems import DataError, build_instance
from bitknap.solvers import solve


def test_columns_of_numbers_stand_right_and_bars_are_escaped() -> None:
    rows = [["a|b", "90.1 [89, 91]", "scip 3x", "+1.2"], ["float", "-", "> 2x", "-3"]]
    assert markdown(["plan", "3", "fastest", "more"], rows) == (
        "| plan | 3 | fastest | more |\n"
        "| --- | ---: | --- | ---: |\n"
        "| a\\|b | 90.1 [89, 91] | scip 3x | +1.2 |\n"
        "| float | - | > 2x | -3 |\n"
    )


def test_a_table_without_rows_has_its_heading() -> None:
    assert markdown(["plan", "3"], []) == "| plan | 3 |\n| --- | --- |\n"


def test_a_block_shows_its_file_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('plan,3\n"fisher, exact",90.1\n')
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- table t.csv -->\nold\n<!-- /table -->\n<!-- other -->\nafter\n"
        "<!-- table t.csv -->\n<!-- /table -->\n"
    )
    main([str(page)])
    block = (
        "<!-- table t.csv -->\n\n| plan | 3 |\n| --- | ---: |\n| fisher, exact | 90.1 |\n\n"
        "<!-- /table -->\n"
    )
    assert page.read_text() == f"before\n{block}<!-- other -->\nafter\n{block}"
    assert filled(page.read_text(), tmp_path) == page.read_text()


def test_records_become_the_solvers_table_and_the_machine(tmp_path: Path) -> None:
    solution = solve(build_instance([[(3, 1)]], 2, name="one"), "dp")
    record = replace(record_of("tiny", solution, seed=7, exact=True), time_limit=5.0)
    save_records([record], tmp_path / "r.jsonl")
    blocks = [f"<!-- {kind} r.jsonl -->\n<!-- /{kind} -->\n" for kind in ("solvers", "machine")]
    text = filled("".join(blocks), tmp_path)
    assert "| dp | exact | 1/1 |" in text
    assert "`bitknap bench tiny --time-limit 5 --repeat 1` on " in text
    assert text.count("; seed 7; ") == 2


def test_a_block_without_end_or_file_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table t.csv -->\ntext\n<!-- table t.csv -->\n<!-- /table -->\n")
    with pytest.raises(DataError, match=r"page.md: the block table t.csv has no end"):
        main([str(page)])
    page.write_text("<!-- table t.csv -->\n<!-- /table -->\n")
    with pytest.raises(DataError, match=r"page.md: .* cannot be filled .*No such"):
        main([str(page)])
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DataError, match="cannot be filled"):
        main([str(page)])
