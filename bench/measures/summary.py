"""The summary of a suite: its measures as grids."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bitknap.bench.grids import Grid
from bitknap.bench.records import Record

from .answers import Answer, answers_of, by_solver, key_of
from .contradictions import contradictions
from .gap import gaps
from .rates import correct_rate, success_rate
from .scaling import scaling
from .shifted_mean import SHIFT, mean_seconds

_CUT = ("killed", "memory", "crashed", "refuted")


def summary_grids(records: Sequence[Record]) -> list[Grid]:
    """Solvers over all instances, their times by group, and how their times grow."""
    answers = answers_of(records)
    grids = [solver_grid(records, answers), group_grid(answers)]
    growth = scaling_grid(answers)
    return grids + ([growth] if growth.rows else [])


def solver_grid(records: Sequence[Record], answers: Sequence[Answer]) -> Grid:
    """One row a solver: instances, rates, gaps, time, memory, what went wrong."""
    rows = []
    for solver, own in by_solver(answers).items():
        able = [answer for answer in own if answer.supported]
        found = gaps(able)
        runs = [run for answer in able for run in answer.runs]
        memory = [run.memory for run in runs if run.memory is not None]
        wrong = [f"{n} {s}" for s in _CUT if (n := sum(run.status == s for run in runs))]
        rows.append(
            [
                solver,
                "exact" if own[0].first.exact else "heuristic",
                f"{len(able)}/{len(own)}",
                _share(success_rate(able)),
                _share(correct_rate(able)),
                _share(statistics.fmean(found)) if found else "-",
                _share(max(found)) if found else "-",
                _milliseconds(mean_seconds(able)),
                f"{max(memory) / 1e6:.0f}" if memory else "-",
                ", ".join(wrong) or "-",
            ]
        )
    columns = ("solver", "kind", "instances", "success", "correct", "mean gap", "worst gap")
    notes = [
        "instances: supported / in the suite. success: share of runs with a claim (exact: a proof; "
        "heuristic: a choice). correct: share with a claim that is true.",
        "gap: to the proven optimum, else to the best bound; both recomputed. "
        f"ms: shifted geometric mean (shift {1e3 * SHIFT:g} ms) of median times, the solve alone, "
        "failures at the time limit.",
        *(found.sentence for found in contradictions(records)),
    ]
    if not contradictions(records):
        notes.append("No claims contradict each other (objectives to 1e-12, bounds to 1e-9).")
    return Grid(
        f"Solvers over {len({key_of(answer.first) for answer in answers})} instances",
        (*columns, "ms", "peak MB", "went wrong"),
        rows,
        notes=notes,
        text_columns=2,
    )


def group_grid(answers: Sequence[Answer]) -> Grid:
    """Mean time of every solver in every group of instances."""
    groups = list(dict.fromkeys(answer.first.group for answer in answers))
    rows = []
    for solver, own in by_solver(answers).items():
        cells = []
        for group in groups:
            part = [a for a in own if a.first.group == group and a.supported]
            done = sum(a.proven if a.first.exact else a.first.objective is not None for a in part)
            text = _milliseconds(mean_seconds(part))
            cells.append(text if done == len(part) else f"{text} ({done}/{len(part)})")
        rows.append([solver, *cells])
    return Grid(
        "Milliseconds by group",
        ("solver", *groups),
        rows,
        notes=("(d/n) where only d of n instances were proven (exact) or answered (heuristic).",),
    )


def scaling_grid(answers: Sequence[Answer]) -> Grid:
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
                        f"{fit.low:.2f} to {fit.high:.2f}",
                        f"{fit.determination:.2f}",
                        f"{fit.points}",
                        f"{fit.missing}",
                    ]
                )
    return Grid(
        "Growth of time with the number of classes, t = a L^b",
        ("group", "solver", "b", "95 % interval", "R^2", "points", "left out"),
        rows,
        notes=("left out: instances without a proof or answer; they flatter the exponent.",),
        text_columns=2,
    )


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if value == 0 else f"{100 * value:.3g} %"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.3g}"
