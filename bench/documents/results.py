"""Fill documents from committed results: ``python -m bitknap.bench.documents.results FILE...``.

A block stands between ``<!-- KIND FILE -->`` and ``<!-- /KIND -->``, FILE beside the document.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bitknap.problems import BitknapError, DataError, write_atomically

from ..measures.answers import answers_of
from ..measures.contradictions import clashes
from ..measures.summary import solver_table
from ..records.record import Record, load_records

NUMBER = re.compile(r"[-+>[ ]*\d|-$")
"""How a number begins, or an interval; a dash stands for one that is missing."""


def filled(text: str, folder: Path) -> str:
    """A document with its blocks as the results are now.

    Raises:
        DataError: a block has no end, or its file cannot be read.
    """

    def renew(block: re.Match[str]) -> str:
        kind, name, end = block.groups()
        if end is None:
            raise DataError(f"the block {kind} {name} has no end; close it with <!-- /{kind} -->")
        try:
            content = BLOCKS[kind](folder / name)
        except (BitknapError, OSError, ValueError, IndexError) as error:
            raise DataError(f"the block {kind} {name} cannot be filled ({error})") from None
        return f"<!-- {kind} {name} -->\n\n{content}\n{end}"

    return BLOCK.sub(renew, text)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns of numbers stand right."""
    cells = [column[1:] for column in zip(columns, *rows, strict=True)]
    numbers = [bool(values) and all(map(NUMBER.match, values)) for values in cells]
    rule = ["---:" if number else "---" for number in numbers]
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in (columns, *rows)]
    return "".join(f"| {line} |\n" for line in (lines[0], " | ".join(rule), *lines[1:]))


def csv_table(path: Path) -> str:
    """The Markdown table of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        heading, *rows = csv.reader(stream)
    return markdown(heading, rows)


def _solvers(path: Path) -> str:
    """How each solver did in the records of a suite, and the command that made them."""
    records = load_records(path)
    first, repeats = records[0], 1 + max(record.repeat for record in records)
    table = solver_table(answers_of(records), clashes(records))
    notes = "".join(f"- {note}\n" for note in table.notes)
    command = f"bitknap bench {first.suite} --time-limit {first.time_limit:g} --repeat {repeats}"
    return f"{markdown(table.columns, table.rows)}\n{notes}\n`{command}` on {made_with(first)}.\n"


def _machine(path: Path) -> str:
    """The machine, seed and versions of the first of some records."""
    return f"{made_with(load_records(path)[0])}.\n"


BLOCKS: dict[str, Callable[[Path], str]] = {
    "table": csv_table,
    "solvers": _solvers,
    "machine": _machine,
}
"""What each kind of block shows of its file."""
BLOCK = re.compile(
    rf"^<!-- ({'|'.join(BLOCKS)}) (\S+) -->\n(?:(?:(?!<!-- ).*\n)*(<!-- /\1 -->))?", re.MULTILINE
)


def made_with(record: Record) -> str:
    """Machine, seed and versions of a record in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return f"{record.machine}; seed {record.seed - record.repeat}; {versions}"


def main(arguments: Sequence[str]) -> None:
    """Write the documents whose blocks have changed."""
    for path in map(Path, arguments):
        text = path.read_text(encoding="utf-8")
        try:
            new = filled(text, path.parent)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        if new != text:
            write_atomically(path, new)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BitknapError, OSError) as error:
        sys.exit(f"bitknap: {error}")
