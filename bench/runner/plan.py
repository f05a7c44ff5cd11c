"""What is left to run: tasks of a suite that its records do not cover, in a shuffled order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitknap.problems import Instance, UnsupportedError
from bitknap.solvers import SOLVERS, load_solver

from ..records.record import Record
from ..records.status import FAILURES, RunStatus
from .cases import InstanceFacts, InstanceRecipe
from .suite import Allowance, Suite

FINAL = (*FAILURES, RunStatus.UNSUPPORTED)
"""Statuses of runs that are not repeated."""


@dataclass(frozen=True)
class Task:
    """Runs of one solver on one instance, one after another in one process."""

    suite: str
    case: InstanceRecipe
    facts: InstanceFacts
    solver: str
    repeats: tuple[int, ...]
    seed: int
    allowance: Allowance

    def record(self, repeat: int, status: str, seconds: float = 0.0, **fields: Any) -> Record:
        """The row of one of its runs."""
        parameters, exact = traits(self.solver)
        return Record(
            suite=self.suite,
            solver=self.solver,
            parameters=parameters,
            exact=exact,
            seed=self.seed + repeat,
            repeat=repeat,
            status=RunStatus(status),
            seconds=seconds,
            time_limit=self.allowance.time,
            memory_limit=self.allowance.memory,
            threads=self.allowance.threads,
            **{"objective": None, "bound": None} | vars(self.facts) | fields,
        )


def traits(solver: str) -> tuple[dict[str, Any], bool]:
    """Parameters of a method but its seed, and whether it is exact; as far as it loads."""
    try:
        method = SOLVERS.load(solver)
        parameters = {name: value for name, value in vars(method).items() if name != "seed"}
        return parameters, bool(method.exact)
    except Exception:  # A file that does not load is reported by the run.
        return {}, False


def is_final(record: Record) -> bool:
    """Whether a limit stopped the run, so that a repeat would add nothing.

    An exact method without a proof was stopped by a limit.
    """
    unproven = record.exact and record.status in (RunStatus.FEASIBLE, RunStatus.NO_SOLUTION)
    limit = record.time_limit
    return record.status in FINAL or unproven or (limit is not None and record.seconds >= limit)


def remaining(
    suite: Suite, cases: Sequence[tuple[InstanceRecipe, InstanceFacts]], records: Sequence[Record]
) -> list[Task]:
    """The tasks that records do not cover, shuffled by the suite's seed."""
    done: dict[tuple[str, str, str], set[int]] = {}
    for record in records:
        key = record.instance_hash, record.instance, record.solver
        numbers = range(suite.repeat) if is_final(record) else [record.repeat]
        done.setdefault(key, set()).update(numbers)
    tasks = []
    for case, facts in cases:
        for solver in suite.solvers:
            finished = done.get((facts.instance_hash, facts.instance, solver), set())
            left = tuple(k for k in range(suite.repeat) if k not in finished)
            if left:
                tasks.append(
                    Task(suite.name, case, facts, solver, left, suite.seed, suite.allowance)
                )
    random.Random(suite.seed).shuffle(tasks)
    return tasks


def refusal(solver: str, merged: Instance) -> str | None:
    """Why a method cannot run on an instance without ties, or None when it can or may."""
    try:
        return load_solver(solver).supports(merged)
    except UnsupportedError as error:
        return str(error)
    except Exception:  # It fails again in a process of its own, where it is recorded.
        return None
