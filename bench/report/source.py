"""What a folder holds that a report can show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bitknap.bench.records import Record, load_records
from bitknap.bench.results import FILE as RUN
from bitknap.bench.results import Results, load_results
from bitknap.problems import DataError

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Source:
    """A folder of ``bitknap run`` or of a benchmark; what it lacks is None or empty."""

    path: Path

    @cached_property
    def results(self) -> Results | None:
        """What the main job found, where it ran to its end."""
        return load_results(self.path) if (self.path / RUN).exists() else None

    @cached_property
    def records(self) -> list[Record]:
        """All solves that were timed."""
        path = self.path / RECORDS
        return load_records(path) if path.exists() else []

    @property
    def title(self) -> str:
        """What the folder is about, in a few words."""
        if self.results is not None:
            return f"Bits for every layer: {self.results.asked.title}"
        return f"Benchmark: {', '.join(dict.fromkeys(r.suite for r in self.records))}"

    @property
    def lead(self) -> str:
        """What was done, in a sentence."""
        if self.results is not None:
            asked = self.results.asked
            budgets = ", ".join(budget.text for budget in asked.budgets)
            return (
                f"Sensitivities by {', '.join(asked.metrics)}; budgets of {budgets} solved "
                "exactly; accuracy measured on the test set."
            )
        solvers = len({record.solver for record in self.records})
        instances = len({record.instance for record in self.records})
        return f"{solvers} solvers on {instances} instances, {len(self.records):,} solves."


def open_source(path: Path) -> Source:
    """A folder with something to show.

    Raises:
        DataError: there is no such folder, or nothing in it that a report shows.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the --out folder of an earlier run")
    source = Source(path)
    if source.results is None and not source.records:
        raise DataError(
            f"{path} holds neither {RUN} nor {RECORDS}; give the --out folder of `bitknap run` "
            "or `bitknap bench`"
        )
    return source
