"""Fill the README from the results under docs: ``python -m bitknap.bench.readme README``.

With ``--take RUN SUITE`` the results of a run of ``bitknap run`` and of a suite are copied first.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bitknap.problems import BitknapError, DataError, write_atomically

from .grids import Grid
from .measures.answers import answers_of
from .measures.summary import solver_grid
from .records import Record, load_records

MARKERS = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)
RESULTS = Path("docs") / "results"
FIGURE = Path("docs") / "figures" / "accuracy.svg"
TABLE = "accuracy.csv"
RECORDS = "records.jsonl"


def take(run: Path, suite: Path, root: Path) -> None:
    """Copy what the README shows of a run and of a suite's folder below ``root``.

    Raises:
        DataError: the run or the suite is not finished.
    """
    kept = [
        (run / "tables" / TABLE, RESULTS / "demo" / TABLE),
        (run / RECORDS, RESULTS / "demo" / RECORDS),
        (run / "figures" / FIGURE.name, FIGURE),
        (suite / RECORDS, RESULTS / "published" / RECORDS),
    ]
    for source, target in kept:
        try:
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, root / target)
        except OSError as error:
            raise DataError(f"{source} is missing ({error.strerror}); run `make results`") from None


def fill(readme: Path) -> None:
    """Put the tables and the figure of the kept results between the README's markers.

    Raises:
        DataError: the README lacks the markers, or there are no results beside it.
    """
    text = readme.read_text(encoding="utf-8")
    if not MARKERS.search(text):
        raise DataError(f"{readme} lacks the markers <!-- results --> and <!-- /results -->")
    block = _block(readme.parent / RESULTS)
    write_atomically(readme, MARKERS.sub(lambda m: m.group(1) + block + m.group(2), text))


def _block(results: Path) -> str:
    try:
        accuracy = _read(results / "demo" / TABLE)
        first = load_records(results / "demo" / RECORDS)[0]
        records = load_records(results / "published" / RECORDS)
        solvers = solver_grid(records, answers_of(records))
    except (DataError, OSError, IndexError) as error:
        raise DataError(f"{results} lacks results ({error}); run `make results`") from None
    return "\n".join(
        [
            "Test accuracy in %, by average bits a weight (10,000 images, standard error at most "
            "0.5; *optimum*: exact solve, *greedy*: the paper's):",
            "",
            markdown(accuracy),
            f"`make demo` on {_made_with(first)}.",
            "",
            f"![Test accuracy against size]({FIGURE.as_posix()})",
            "",
            f"Every solver on the {len({r.instance for r in records})} real instances that ship "
            "with the package, ours and HAWQ-V3's:",
            "",
            markdown(solvers),
            *(f"- {note}" for note in solvers.notes),
            "",
            f"`{_command(records)}` on {_made_with(records[0])}.",
            "",
        ]
    )


def _command(records: Sequence[Record]) -> str:
    """The command that made the records of a suite, its limits spelled out."""
    first, repeats = records[0], 1 + max(record.repeat for record in records)
    return f"bitknap bench {first.suite} --time-limit {first.time_limit:g} --repeat {repeats}"


def _made_with(record: Record) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return f"{record.machine}; seed {record.seed - record.repeat}; {versions}"


def _read(path: Path) -> Grid:
    with path.open(encoding="utf-8", newline="") as stream:
        heading, *rows = list(csv.reader(stream))
    return Grid("", heading, rows)


def markdown(grid: Grid) -> str:
    """A grid as a Markdown table; numbers stand right."""
    rule = ["---" if i < grid.text_columns else "---:" for i in range(len(grid.columns))]
    return "".join("| " + " | ".join(row) + " |\n" for row in (grid.columns, rule, *grid.rows))


def main(arguments: list[str]) -> None:
    """Take results where asked, then fill the README."""
    readme = Path(arguments[0])
    if "--take" in arguments:
        run, suite = arguments[arguments.index("--take") + 1 :][:2]
        take(Path(run), Path(suite), readme.parent)
    fill(readme)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BitknapError, OSError) as error:
        sys.exit(f"bitknap: {error}")
