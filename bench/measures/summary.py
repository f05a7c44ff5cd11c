"""The summary of a suite: its measures as tables."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..records.status import FAILURES
from ..tables.table import Table, digits, percent
from .answers import SolverRuns, by_solver, key_of
from .gap import gaps
from .rates import correct_rate, success_rate
from .scaling import scaling
from .shifted_mean import SHIFT, mean_cpu_seconds, mean_seconds

CPU_NOTE = " CPU ms: the same of processor time, which other work on the machine changes less."


@dataclass(frozen=True)
class SolverSummary:
    """The measures of one solver over the instances of some records.

    Args:
        exact: whether it proves optimality when no limit stops it.
        supported: of those, the ones it can handle; all that follows is over these.
        success_rate: see :func:`.rates.success_rate`.
        correct_rate: see :func:`.rates.correct_rate`.
        mean_gap: mean of :func:`.gap.gap` where there is one.
        worst_gap: its largest.
        seconds: see :func:`.shifted_mean.mean_seconds`.
        cpu_seconds: see :func:`.shifted_mean.mean_cpu_seconds`; None where no record has any.
        memory: largest peak of resident memory in bytes.
    """

    solver: str
    exact: bool
    instances: int
    supported: int
    success_rate: float | None
    correct_rate: float | None
    mean_gap: float | None
    worst_gap: float | None
    seconds: float | None
    cpu_seconds: float | None
    memory: int | None
    statuses: dict[str, int]


def summarise(answers: Sequence[SolverRuns]) -> list[SolverSummary]:
    """The measures of every solver, sorted by name."""
    found = []
    taken = any(run.cpu_seconds is not None for answer in answers for run in answer.runs)
    for solver, solver_runs in by_solver(answers).items():
        able = [answer for answer in solver_runs if answer.supported]
        distances = gaps(able)
        runs = [run for answer in solver_runs for run in answer.runs]
        found.append(
            SolverSummary(
                solver=solver,
                exact=solver_runs[0].first.exact,
                instances=len(solver_runs),
                supported=len(able),
                success_rate=success_rate(able),
                correct_rate=correct_rate(able),
                mean_gap=statistics.fmean(distances) if distances else None,
                worst_gap=max(distances, default=None),
                seconds=mean_seconds(able),
                cpu_seconds=mean_cpu_seconds(able) if taken else None,
                memory=max((run.memory for run in runs if run.memory), default=None),
                statuses=dict(sorted(Counter(run.status for run in runs).items())),
            )
        )
    return found


def summary_tables(answers: Sequence[SolverRuns], clashes: Sequence[str]) -> list[Table]:
    """Solvers over all instances, their times by group, and how their times grow."""
    tables = [solver_table(answers, clashes), group_table(answers)]
    growth = scaling_table(answers)
    return tables + ([growth] if growth.rows else [])


def solver_table(answers: Sequence[SolverRuns], clashes: Sequence[str]) -> Table:
    """One row per solver: instances, rates, gaps, time, memory, what went wrong."""
    rows = []
    found = summarise(answers)
    processor = any(summary.cpu_seconds is not None for summary in found)
    for summary in found:
        wrong = [
            f"{summary.statuses[status]} {status}"
            for status in FAILURES
            if status in summary.statuses
        ]
        rates = summary.success_rate, summary.correct_rate
        rows.append(
            [
                summary.solver,
                "exact" if summary.exact else "heuristic",
                f"{summary.supported}/{summary.instances}",
                *map(percent, (*rates, summary.mean_gap, summary.worst_gap)),
                _milliseconds(summary.seconds),
                *([_milliseconds(summary.cpu_seconds)] if processor else []),
                "-" if summary.memory is None else f"{summary.memory / 1e6:.0f}",
                ", ".join(wrong) or "-",
            ]
        )
    return Table(
        f"Solvers over {len({key_of(answer.first) for answer in answers})} instances",
        (
            *("solver", "kind", "instances", "success", "correct", "mean above", "worst above"),
            *("ms", *(["CPU ms"] if processor else []), "peak MB", "went wrong"),
        ),
        rows,
        notes=(
            "instances: supported / in the suite. success: share of runs with a claim (exact: a "
            "proof; heuristic: a choice). correct: share with a claim that is true.",
            "above: the proven optimum, else the best bound, in parts of it; both recomputed. ms: "
            f"shifted geometric mean (shift {1e3 * SHIFT:g} ms) of median times, the method and "
            "its model without imports and referee, failures at the time limit."
            f"{CPU_NOTE if processor else ''}",
            *(
                clashes
                or ["No claims contradict each other (objectives to 1e-12, bounds to 1e-9)."]
            ),
        ),
        text_columns=2,
    )


def group_table(answers: Sequence[SolverRuns]) -> Table:
    """Mean time of every solver in every group of instances."""
    groups = list(dict.fromkeys(answer.first.group for answer in answers))
    rows = []
    for solver, solver_runs in by_solver(answers).items():
        cells = []
        for group in groups:
            part = [a for a in solver_runs if a.first.group == group and a.supported]
            done = sum(a.done for a in part)
            text = _milliseconds(mean_seconds(part))
            cells.append(text if done == len(part) else f"{text} ({done}/{len(part)})")
        rows.append([solver, *cells])
    return Table(
        "Milliseconds by group",
        ("solver", *groups),
        rows,
        notes=("(d/n) where only d of n instances were proven (exact) or answered (heuristic).",),
    )


def scaling_table(answers: Sequence[SolverRuns]) -> Table:
    """Exponent of every solver's time in the number of classes, in groups with three sizes."""
    rows = []
    for group in dict.fromkeys(answer.first.group for answer in answers):
        part = [answer for answer in answers if answer.first.group == group]
        if len({answer.first.classes for answer in part}) < 3:
            continue
        for solver in by_solver(part):
            fit = scaling(part, solver)
            if fit is not None:
                rows.append(
                    [
                        group,
                        solver,
                        f"{fit.exponent:.2f}",
                        "-" if math.isnan(fit.low) else f"{fit.low:.2f} to {fit.high:.2f}",
                        f"{fit.determination:.2f}",
                        f"{fit.points}",
                        f"{fit.missing}",
                    ]
                )
    return Table(
        "Growth of time with the number of classes, t = a L^b",
        ("group", "solver", "b", "95 % interval", "R^2", "points", "left out"),
        rows,
        notes=("left out: instances without a proof or answer; they flatter the exponent.",),
        text_columns=2,
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else digits(1e3 * seconds)
