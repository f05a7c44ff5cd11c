"""Records: one flat row per run, kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bitknap.problems import DataError, write_atomically
from bitknap.problems.documents import parse_json
from bitknap.problems.schema import Count, Seconds, convert
from bitknap.problems.storage import read_file
from bitknap.solvers import Solution

from .environment import machine, versions
from .status import RunStatus

FORMAT = "bitknap.record/3"

RECORDS = "records.jsonl"
"""The file of a folder's records."""

READABLE = (FORMAT, "bitknap.record/2", "bitknap.record/1")
"""Records of older formats lack later fields, which then have their defaults."""


@dataclass(frozen=True)
class Record:
    """One solve of one instance by one solver; gaps and ratios are computed when read.

    Args:
        objective: recomputed cost, or None.
        bound: proven lower bound, or None.
        seconds: wall time of the method, as in ``Solution``; of a killed run, until it was killed.
        cpu_seconds: processor time of the same call, the referee and the processes that it started
            included, or None where it was not taken.
        exact: whether the method proves optimality when no limit stops it.
        group: of the suite's instances it belongs to, e.g. the family.
        instance_hash: sha256 of the instance's content.
        memory_limit: bytes, or None.
        threads: threads the method may use.
        memory: peak resident bytes of a process of its own, or None when it had none.
    """

    suite: str
    instance: str
    solver: str
    status: RunStatus
    objective: float | None
    bound: float | None
    seconds: Seconds
    seed: Count = 0
    repeat: Count = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    exact: bool = False
    group: str = ""
    instance_hash: str = ""
    classes: Count = 0
    items: Count = 0
    resources: Count = 0
    time_limit: Seconds | None = None
    memory_limit: Count | None = None
    threads: Count = 1
    memory: Count | None = None
    cpu_seconds: Seconds | None = None
    message: str = ""
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)

    def to_line(self) -> str:
        """The record as one line of JSON with its newline."""
        return json.dumps({"format": FORMAT} | asdict(self), sort_keys=True) + "\n"

    @staticmethod
    def from_line(line: bytes) -> Record:
        """The record in one line of JSON.

        Raises:
            DataError: the line is not a record of a known format.
        """
        try:
            row = parse_json(line)
            if not isinstance(row, dict) or row.pop("format", None) not in READABLE:
                raise DataError("it states another format")
            record = convert(Record, row)
            if (
                record.status in (RunStatus.OPTIMAL, RunStatus.FEASIBLE)
                and record.objective is None
            ):
                raise DataError(f"it is {record.status} without an objective")
            return record
        except DataError as error:
            raise DataError(f"is not a {FORMAT} record ({error})") from None


def record_of(suite: str, solution: Solution, *, seed: int = 0, exact: bool = False) -> Record:
    """The row of a solution; ``exact`` tells whether the method is."""
    instance = solution.instance
    return Record(
        suite=suite,
        instance=instance.name,
        solver=solution.solver,
        status=RunStatus(solution.status),
        objective=solution.objective,
        bound=solution.bound,
        seconds=solution.seconds,
        seed=seed,
        exact=exact,
        classes=len(instance),
        items=instance.n_items,
        resources=instance.n_resources,
        message=solution.message,
    )


def save_records(records: Iterable[Record], path: Path) -> None:
    """Write records atomically, one JSON object per line."""
    write_atomically(path, "".join(record.to_line() for record in records))


def load_records(path: Path) -> list[Record]:
    """Read records back.

    Raises:
        DataError: the file is missing, or a line is not a record of a known format.
    """
    return parse_records(
        read_file(path, missing="no such file; `bitknap bench SUITE` writes it"), path
    )


def parse_records(content: bytes, path: Path) -> list[Record]:
    """The records of a file's content; ``path`` is for the message."""
    records = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            records.append(Record.from_line(line))
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
    return records
