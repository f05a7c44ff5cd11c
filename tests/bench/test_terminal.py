"""Tables fit a terminal of 80 columns without a broken word."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitknap.bench.measures.answers import answers_of
from bitknap.bench.measures.summary import summary_tables
from bitknap.bench.records.record import load_records
from bitknap.bench.tables import terminal
from bitknap.bench.tables.table import Table
from bitknap.problems.library import library_names, quadratic_names
from bitknap.problems.library.hawq import published_allocations

from ..fuzz.harness import call

RECORDS = Path(__file__).parents[2] / "docs" / "results" / "published" / "records.jsonl"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "WIDTH", 80)


def printed_words(text: str) -> list[str]:
    assert max(map(len, text.splitlines())) <= 80
    return text.split()


def test_the_tables_of_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    tables = summary_tables(answers_of(load_records(RECORDS)), [])
    for table in tables:
        terminal.print_table(table)
    words = printed_words(capsys.readouterr().out)
    cells = [cell for table in tables for row in table.rows for cell in row]
    headings = [heading for table in tables for heading in table.columns]
    assert {word for text in cells + headings for word in text.split()} <= set(words)


def test_every_part_has_the_columns_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = [f"{k:09}" for k in range(20)]
    table = Table("wide", ["name", *(f"column{k:02}" for k in range(20))], [["row", *numbers]])
    terminal.print_table(table)
    out = capsys.readouterr().out
    words = printed_words(out)
    rows = [line.split() for line in out.splitlines() if line.startswith(" row")]
    assert len(rows) == words.count("name") == 4
    assert [cell for row in rows for cell in row[1:]] == numbers
    terminal.print_table(Table("long", ["name", "n"], [["x" * 200, "1"]]))
    assert capsys.readouterr().out.count("x") == 200


def test_notes_are_indented_on_every_line_and_an_empty_table_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = " ".join(f"[b]word{k}" for k in range(30)) + "."
    terminal.print_table(Table("No rows", ["name", "value"], [], notes=(note,)))
    title, *lines = capsys.readouterr().out.rstrip().splitlines()
    assert title == "No rows"
    assert len(lines) > 3
    assert all(line.startswith("  [b]word") and len(line) <= 80 for line in lines)
    assert " ".join(line.strip() for line in lines) == note


def test_the_instances_and_the_published_ones() -> None:
    words = printed_words(call(["instances"]).out)
    assert {*library_names(), *quadratic_names()} <= set(words)
    words = printed_words(call(["instances", "--published"]).out)
    assert set(published_allocations()) <= set(words)
