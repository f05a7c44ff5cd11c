"""Two saved pytest-benchmark runs: ``python -m bitknap.bench.runner.regression [OLD NEW]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bitknap.problems import BitknapError, DataError

from ..tables.table import Table

FACTOR = 1.5
FLOOR = 1e-4
"""Seconds; where both runs are below, the clock and the system decide, and nothing is flagged."""


def last_two(folder: Path) -> tuple[Path, Path]:
    """The two newest runs that ``pytest --benchmark-autosave`` saved on one kind of machine.

    Raises:
        DataError: there are not two.
    """
    saved = sorted(folder.glob("*/[0-9]*.json"), key=lambda path: path.stat().st_mtime_ns)
    alike = [path for path in saved if path.parent == saved[-1].parent]
    if len(alike) < 2:
        raise DataError(f"{folder} has {len(alike)} saved runs, two are needed; run `make bench`")
    return alike[-2], alike[-1]


def load_minima(path: Path) -> dict[str, float]:
    """Benchmark -> the least seconds of its rounds; other work on the machine only adds to them.

    Raises:
        DataError: the file is missing or not one of pytest-benchmark's.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {entry["fullname"]: float(entry["stats"]["min"]) for entry in document["benchmarks"]}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path}: is not a saved run of pytest-benchmark") from None


def slower(old: dict[str, float], new: dict[str, float], factor: float) -> list[str]:
    """Benchmarks that take more than ``factor`` times what they took, worst first."""
    ratios = {
        name: new[name] / old[name]
        for name in old.keys() & new.keys()
        if max(old[name], new[name]) > FLOOR
    }
    return sorted((n for n, r in ratios.items() if r > factor), key=lambda n: -ratios[n])


def regression_table(old: dict[str, float], new: dict[str, float], factor: float) -> Table:
    """Old and new milliseconds and their ratio, one row per benchmark of either run."""
    flagged = slower(old, new, factor)
    rows = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        ratio = f"{after / before:.2f}" if before and after else "-"
        mark = "slower" if name in flagged else ""
        rows.append([name, _milliseconds(before), _milliseconds(after), ratio, mark])
    return Table(
        "Least milliseconds of each benchmark",
        ("benchmark", "old", "new", "new / old", ""),
        rows,
        notes=(
            f"{len(flagged)} of {len(rows)} take more than {factor:g} times as long; "
            f"below {1e3 * FLOOR:g} ms nothing is flagged.",
        ),
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.3f}"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison; 1 when something takes more than the factor, else 0."""
    from ..tables.terminal import print_table

    parser = argparse.ArgumentParser(
        prog="python -m bitknap.bench.runner.regression", description=__doc__
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="old and new run")
    parser.add_argument("--folder", type=Path, default=Path(".benchmarks"), help="of saved runs")
    parser.add_argument("--factor", type=float, default=FACTOR, help="allowed ratio new / old")
    given = parser.parse_args(arguments)
    if len(given.files) not in (0, 2):
        parser.error("name two saved runs, or none for the last two")
    first, second = given.files or last_two(given.folder)
    old, new = load_minima(first), load_minima(second)
    print_table(regression_table(old, new, given.factor))
    print(f"old: {first}\nnew: {second}")
    return 1 if slower(old, new, given.factor) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BitknapError as error:
        print(f"bitknap: {error}", file=sys.stderr)
        sys.exit(2)
