"""Run a suite into a folder, or resume it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitknap.problems import DataError, merge_ties
from bitknap.problems.documents import load_as, save_document
from bitknap.problems.storage import only_writer

from ..records.record import RECORDS, Record
from .cases import InstanceFacts, InstanceRecipe, facts_of
from .log import RecordLog
from .plan import is_final, refusal, remaining
from .pool import run_locally, run_on_dask
from .suite import Allowance, Suite

if TYPE_CHECKING:
    from .progress import TerminalProgress

FORMAT = "bitknap.suite/1"

PLAN = "suite.json"


def run_suite(
    suite: Suite,
    out: Path,
    progress: TerminalProgress,
    *,
    workers: int = 1,
    dask: str | None = None,
    command: str = "",
) -> list[Record]:
    """Run what the folder's records do not cover, and return all records of the folder.

    Writes ``records.jsonl``, a line per run, and ``suite.json``, what was asked. Recorded
    runs are not repeated, so a killed suite resumes and a finished one ends at once.

    Args:
        workers: processes at a time on this machine.

    Raises:
        DataError: the folder holds a run of another suite or under other limits, is being written
            by another process, or the disk is full.
        BitknapError: an instance cannot be built.
    """
    with only_writer(out), RecordLog(out / RECORDS) as log:
        cases, refusals = _prepare(suite, progress)
        _write_plan(suite, [facts for _, facts in cases], out / PLAN, log, command)
        log.drop_torn_line()
        tasks = remaining(suite, cases, log.records)
        progress.total(sum(len(task.repeats) for task in tasks))

        def sink(record: Record) -> None:
            log.append(record)
            progress.finished(record, suite.repeat - 1 - record.repeat if is_final(record) else 0)

        possible = []
        for task in tasks:
            reason = refusals.get((task.facts.instance, task.solver))
            if reason is None:
                possible.append(task)
            else:
                sink(task.record(0, "unsupported", message=reason))
        progress.say("running")
        if dask is None:
            run_locally(possible, workers, sink)
        else:
            run_on_dask(possible, dask, sink)
        log.check()
        return log.records


Refusals = dict[tuple[str, str], str]
"""(instance, solver) -> why the solver cannot handle the instance."""


def _prepare(
    suite: Suite, progress: TerminalProgress
) -> tuple[list[tuple[InstanceRecipe, InstanceFacts]], Refusals]:
    """Build every instance once, for its facts and for what solvers say of it."""
    cases: dict[str, tuple[InstanceRecipe, InstanceFacts]] = {}
    refusals: Refusals = {}
    for case in suite.cases:
        progress.say(f"preparing {case.name}")
        instance = case.build()
        facts = facts_of(instance, case)
        known = cases.setdefault(facts.instance, (case, facts))
        if known[1].instance_hash != facts.instance_hash:
            raise DataError(
                f"two instances of {suite.name} are named {facts.instance!r}; "
                "give one of their [[instances]] tables per group"
            )
        merged = merge_ties(instance).instance
        for solver in suite.solvers:
            reason = refusal(solver, merged)
            if reason is not None:
                refusals[facts.instance, solver] = reason
    return list(cases.values()), refusals


def _write_plan(
    suite: Suite, facts: list[InstanceFacts], path: Path, log: RecordLog, command: str
) -> None:
    """Write what was asked; refuse a folder with something else."""
    document: dict[str, Any] = {
        "name": suite.name,
        "summary": suite.summary,
        "seed": suite.seed,
        "allowance": asdict(suite.allowance),
        "instances": [asdict(entry) for entry in facts],
        "solvers": list(suite.solvers),
        "repeat": suite.repeat,
        "command": command,
    }
    if path.exists():
        before = load_plan(path)
        document["solvers"] = list(dict.fromkeys([*before["solvers"], *suite.solvers]))
        for key in ("name", "seed", "allowance", "instances"):
            if before[key] != document[key]:
                raise DataError(
                    f"{path.parent} holds a run with another {key} of the suite "
                    f"{before['name']!r}; name another --out, or remove that folder"
                )
        if before == document:
            return
    elif not log.empty:
        raise DataError(f"{path.parent} holds records of another command; name another --out")
    save_document(path, FORMAT, document)


def load_plan(path: Path) -> dict[str, Any]:
    """The content of a ``suite.json``.

    Raises:
        DataError: the file is missing, unreadable or of another format.
    """
    missing = "no such file; `bitknap bench SUITE` writes it"
    return asdict(load_as(_SuitePlan, path, (FORMAT,), missing))


@dataclass(frozen=True)
class _SuitePlan:
    """What ``suite.json`` holds."""

    name: str
    summary: str
    seed: int
    allowance: Allowance
    instances: list[InstanceFacts]
    solvers: list[str]
    repeat: int
    command: str
