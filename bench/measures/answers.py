"""Answers: all runs of one solver on one instance taken together, and the best known result."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..records.record import Record
from ..records.status import RunStatus

TOLERANCE = 1e-12
"""Relative; two recomputed objectives that differ by more are different."""

TICK = 1e-9
"""Seconds that clocks can tell; ratios of times stay within float64."""


@dataclass(frozen=True)
class Reference:
    """What all records together know of an instance.

    Args:
        best: least objective of any run, or None.
        proven: whether a run proved that objective optimal.
        bound: the optimum where it is proven, else the highest bound below ``best``, or None.
    """

    best: float | None
    proven: bool
    bound: float | None


@dataclass(frozen=True)
class SolverRuns:
    """The runs of one solver on one instance.

    Args:
        runs: their records, one at least, by number.
    """

    runs: tuple[Record, ...]
    reference: Reference

    @property
    def first(self) -> Record:
        """The first run: what does not differ between runs is read from it."""
        return self.runs[0]

    @property
    def supported(self) -> bool:
        """Whether the solver can handle the instance."""
        return self.first.status != RunStatus.UNSUPPORTED

    @cached_property
    def seconds(self) -> float:
        """Median time of the runs, a tick at least."""
        return max(statistics.median(run.seconds for run in self.runs), TICK)

    @cached_property
    def cpu_seconds(self) -> float | None:
        """Median processor time of the runs, 0 below a tick, or None where one has none."""
        times = [run.cpu_seconds for run in self.runs if run.cpu_seconds is not None]
        if len(times) < len(self.runs):
            return None
        median = statistics.median(times)
        return median if median >= TICK else 0.0

    @cached_property
    def proven(self) -> bool:
        """Whether every run ended in a claim of optimality or infeasibility that is true."""
        return all(run.status in PROOFS and is_true(run, self.reference) for run in self.runs)

    @property
    def done(self) -> bool:
        """Whether the solver met its aim: a proof (exact), or a choice (heuristic)."""
        return self.proven if self.first.exact else self.first.objective is not None


PROOFS = (RunStatus.OPTIMAL, RunStatus.INFEASIBLE)


def is_claim(run: Record) -> bool:
    """Whether the solver claims to have met its aim.

    The aim of an exact method is a proof, that of a heuristic a feasible choice.
    """
    return run.status in (*PROOFS, RunStatus.REFUTED) or (
        not run.exact and run.status == RunStatus.FEASIBLE
    )


def is_true(run: Record, reference: Reference) -> bool:
    """Whether no known result refutes the solver's claim."""
    if run.status == RunStatus.OPTIMAL:
        assert run.objective is not None
        assert reference.best is not None
        return same(run.objective, reference.best)
    if run.status == RunStatus.INFEASIBLE:
        return reference.best is None
    return run.status != RunStatus.REFUTED


def same(first: float, second: float, tolerance: float = TOLERANCE) -> bool:
    """Whether two numbers are within the relative tolerance."""
    return abs(first - second) <= tolerance * max(abs(first), abs(second))


def key_of(record: Record) -> str:
    """The key of an instance: its hash, or its name in records without one."""
    return record.instance_hash or record.instance


def reference_of(records: Iterable[Record]) -> Reference:
    """The best known of one instance, from its records by any solver."""
    rows = list(records)
    costs = [row.objective for row in rows if row.objective is not None]
    if not costs:
        bounds = [row.bound for row in rows if row.bound is not None]
        return Reference(None, False, max(bounds, default=None))
    best = min(costs)
    if any(r.status == RunStatus.OPTIMAL and same(r.objective or 0.0, best) for r in rows):
        return Reference(best, True, best)
    bounds = [row.bound for row in rows if row.bound is not None and row.bound <= best]
    return Reference(best, False, max(bounds, default=None))


def answers_of(records: Sequence[Record]) -> list[SolverRuns]:
    """The answers in records, by group, size, instance and solver."""
    by_instance: dict[str, list[Record]] = {}
    for record in records:
        by_instance.setdefault(key_of(record), []).append(record)
    references = {key: reference_of(rows) for key, rows in by_instance.items()}
    pairs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        pairs.setdefault((key_of(record), record.solver), []).append(record)
    answers = [
        SolverRuns(tuple(sorted(runs, key=lambda run: run.repeat)), references[key])
        for (key, _), runs in pairs.items()
    ]
    return sorted(answers, key=_order)


def _order(answer: SolverRuns) -> tuple[str, int, int, str, str]:
    run = answer.first
    return run.group, run.classes, run.items, run.instance, run.solver


def by_solver(answers: Iterable[SolverRuns]) -> dict[str, list[SolverRuns]]:
    """Solver -> its answers, solvers sorted by name."""
    found: dict[str, list[SolverRuns]] = {}
    for answer in answers:
        found.setdefault(answer.first.solver, []).append(answer)
    return dict(sorted(found.items()))
