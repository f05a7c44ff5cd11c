"""Fill the README's results from a run: ``python -m bitknap.bench.readme RUN README``."""

from __future__ import annotations

import csv
import re
import shutil
import sys
from pathlib import Path

from bitknap.problems import BitknapError, DataError, write_atomically

from .records import load_records

MARKERS = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)
FIGURE = "accuracy.svg"


def fill(run: Path, readme: Path) -> None:
    """Put the tables of a run, its machine and its figure between the README's markers.

    Raises:
        DataError: the run or the README lacks what is needed.
    """
    text = readme.read_text(encoding="utf-8")
    if not MARKERS.search(text):
        raise DataError(f"{readme} lacks the markers <!-- results --> and <!-- /results -->")
    try:
        tables = [markdown(run / "tables" / f"{name}.csv") for name in ("accuracy", "solvers")]
        record = load_records(run / "records.jsonl")[0]
        figures = readme.parent / "docs" / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / "figures" / FIGURE, figures / FIGURE)
    except (OSError, IndexError) as error:
        raise DataError(f"{run} is not a finished run ({error}); run `make demo` first") from None
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    block = "\n".join(
        [
            "Test accuracy in %, by average bits a weight (10,000 images, standard error at most "
            "0.5; *optimum*: exact solve, *greedy*: the paper's):",
            "",
            tables[0],
            f"![Test accuracy against size](docs/figures/{FIGURE})",
            "",
            "The solvers on the same instances, gap to the proven optimum:",
            "",
            tables[1],
            f"`make demo && make readme` on {record.machine}; seed {record.seed}; {versions}.",
            "",
        ]
    )
    write_atomically(readme, MARKERS.sub(lambda m: m.group(1) + block + m.group(2), text))


def markdown(path: Path) -> str:
    """A CSV file as a Markdown table; numbers stand right."""
    with path.open(encoding="utf-8", newline="") as stream:
        heading, *rows = list(csv.reader(stream))
    numeric = [all(re.match(r"[-\d]", row[i]) for row in rows) for i in range(len(heading))]
    rule = ["---:" if right else "---" for right in numeric]
    return "".join("| " + " | ".join(row) + " |\n" for row in (heading, rule, *rows))


if __name__ == "__main__":
    try:
        fill(Path(sys.argv[1]), Path(sys.argv[2]))
    except BitknapError as error:
        sys.exit(f"bitknap: {error}")
