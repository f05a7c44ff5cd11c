"""Records: one flat row a run, kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bitknap.problems import DataError, write_atomically
from bitknap.solvers import Solution

from .environment import machine, versions

FORMAT = "bitknap.record/1"


@dataclass(frozen=True)
class Record:
    """One solve of one instance by one solver; gaps and ratios are computed when read.

    Args:
        suite: what the run belongs to.
        instance: its name.
        solver: name of the method.
        parameters: of the method.
        seed: of the run.
        status: how it ended.
        objective: recomputed cost, or None.
        bound: proven lower bound, or None.
        seconds: wall time of the solve alone.
        memory: peak resident bytes of a process of its own, or None when it had none.
        machine: processor, cores and system.
        versions: of Python and the packages.
    """

    suite: str
    instance: str
    solver: str
    status: str
    objective: float | None
    bound: float | None
    seconds: float
    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    memory: int | None = None
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)


def record_of(suite: str, solution: Solution, *, seed: int = 0) -> Record:
    """The row of a solution."""
    return Record(
        suite=suite,
        instance=solution.instance.name,
        solver=solution.solver,
        status=solution.status.value,
        objective=solution.objective,
        bound=solution.bound,
        seconds=solution.seconds,
        seed=seed,
    )


def save_records(records: Iterable[Record], path: Path) -> None:
    """Write records atomically, one JSON object a line."""
    lines = [json.dumps({"format": FORMAT} | asdict(r), sort_keys=True) for r in records]
    write_atomically(path, "".join(line + "\n" for line in lines))


def load_records(path: Path) -> list[Record]:
    """Read records back.

    Raises:
        DataError: a line is not a record of this format.
    """
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            if row.pop("format") != FORMAT:
                raise ValueError
            records.append(Record(**row))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f"{path}, line {number}: is not a {FORMAT} record") from None
    return records
