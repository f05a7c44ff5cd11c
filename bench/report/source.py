"""What a folder holds that a report can show."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bitknap.problems import DataError
from bitknap.problems.storage import read_text
from bitknap.sensitivity import SensitivityTable

from ..job.results import FILE as RUN
from ..job.results import Results, load_results
from ..measures.answers import SolverRuns, answers_of, key_of
from ..records.archive import Environment, environments, find_folder, kept_apart, verified_records
from ..records.record import RECORDS, Record
from ..runner.run import PLAN, load_plan
from .resampled import ResampledMetric, resample

CELLS = Path("tables") / "cells.csv"


@dataclass(frozen=True)
class Source:
    """A folder of ``bitknap run`` or of a benchmark; what it lacks is None or empty.

    Args:
        path: the folder.
        say: told what is done.
    """

    path: Path
    say: Callable[[str], None] = field(default=lambda text: None, repr=False, compare=False)

    @cached_property
    def results(self) -> Results | None:
        """What the main job found, where it ran to its end."""
        return load_results(self.path) if (self.path / RUN).exists() else None

    @cached_property
    def records(self) -> list[Record]:
        """All solves that were timed."""
        return kept_apart(self._records)

    @cached_property
    def _records(self) -> list[Record]:
        return verified_records(self.path) if (self.path / RECORDS).exists() else []

    @property
    def environments(self) -> dict[str, Environment]:
        """Letter of every environment that the records were made in -> machine and versions."""
        return environments(self._records)

    @cached_property
    def answers(self) -> list[SolverRuns]:
        """The records by solver and instance."""
        return answers_of(self.records)

    @property
    def solvers(self) -> list[str]:
        """Names of the solvers in the records, sorted."""
        return sorted({record.solver for record in self.records})

    @cached_property
    def styles(self) -> dict[str, int]:
        """Solver -> number of its colour and marker in every figure; exact methods first."""
        exact = {record.solver for record in self.records if record.exact}
        ordered = sorted(self.solvers, key=lambda solver: (solver not in exact, solver))
        return {solver: k for k, solver in enumerate(ordered)}

    @cached_property
    def suite(self) -> dict[str, Any] | None:
        """What a benchmark was asked, the content of its ``suite.json``."""
        path = self.path / PLAN
        return load_plan(path) if path.exists() else None

    @cached_property
    def resampled(self) -> dict[str, ResampledMetric]:
        """Metric with per-sample scores -> its plans over resamples of the calibration data."""
        return {} if self.results is None else resample(self.results, self.say)

    @cached_property
    def cells(self) -> list[dict[str, str]]:
        """The accuracies that a study of the paper ended with."""
        path = self.path / CELLS
        if not path.exists():
            return []
        rows = csv.reader(read_text(path).splitlines())
        try:
            head = next(rows, [])
            return [dict(zip(head, row, strict=True)) for row in rows]
        except (csv.Error, ValueError) as error:
            raise DataError(f"{path} is not a table of a study ({error})") from None

    @property
    def command(self) -> str:
        """The command line that made the folder, or nothing."""
        if self.results is not None:
            return self.results.asked.command
        return "" if self.suite is None else str(self.suite["command"])

    @property
    def title(self) -> str:
        """What the folder is about, in a few words."""
        if self.results is not None:
            return f"{_layers(self.results.table)}: {self.results.asked.title}"
        if self.cells:
            return "The paper's tables and figures"
        return f"Solvers compared: {', '.join(dict.fromkeys(r.suite for r in self.records))}"

    @property
    def lead(self) -> str:
        """What was done, in a sentence."""
        if self.results is not None:
            table = self.results.table
            return f"{table.weights:,} weights in {len(table.layers)} layers: {table.coverage}."
        instances = len({key_of(record) for record in self.records})
        return f"{len(self.solvers)} solvers on {instances} instances, {len(self.records):,} runs."


def _layers(table: SensitivityTable) -> str:
    """How many layers get bits: every one only where the table covers all weights."""
    whole = table.coverage.share > 0.99999
    return f"Bits for {'every layer' if whole else f'{len(table.layers)} layers'}"


def open_source(path: Path, say: Callable[[str], None] = lambda text: None) -> Source:
    """A folder with something to show, or the archive of that name.

    Raises:
        DataError: there is no such folder, or nothing in it that a report shows.
    """
    path = find_folder(path)
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the --out folder of an earlier run")
    source = Source(path, say)
    if source.results is None and not source.records and not source.cells:
        raise DataError(
            f"{path} holds neither {RUN} nor {RECORDS} nor {CELLS}; give the --out folder of "
            "`bitknap run`, `bitknap bench` or `bitknap paper`"
        )
    return source
