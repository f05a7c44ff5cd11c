"""Time against the number of classes, in every group of instances."""

from __future__ import annotations

from ...figures.time_against_size import Timing, draw_times
from ...measures.answers import SolverRuns
from ...measures.shifted_mean import counted_seconds
from ...tables.table import Table, digits
from ..base import Content, Mark, Panel, Plot, Section
from ..source import Source

CAPTION = (
    "Median time of the method against the number of classes. Lines run through the medians "
    "of the instances proven (exact) or answered (heuristic); a cross is a run that was not, at "
    "its time limit."
)


def build(source: Source) -> Content | None:
    """One panel per group that has two sizes or more."""
    groups: dict[str, list[SolverRuns]] = {}
    for answer in source.answers:
        if answer.supported:
            groups.setdefault(answer.first.group or answer.first.suite, []).append(answer)
    groups = {
        group: answers
        for group, answers in groups.items()
        if len({answer.first.classes for answer in answers}) > 1
    }
    if not groups:
        return None
    timings = {group: _timings(answers) for group, answers in groups.items()}
    plot = Plot(
        "time_against_size",
        CAPTION,
        draw_times(timings, source.styles),
        panels=[
            Panel(draw_times({group: timings[group]}, source.styles), list(map(_mark, answers)))
            for group, answers in groups.items()
        ],
        data=Table(
            "Time against size",
            ("group", "solver", "instance", "classes", "seconds", "done"),
            [
                [
                    group,
                    a.first.solver,
                    a.first.instance,
                    str(t.classes),
                    repr(t.seconds),
                    str(t.done),
                ]
                for group, answers in groups.items()
                for a in answers
                for t in [_timing(a)]
            ],
        ),
    )
    return Content(plots=[plot])


def _timings(answers: list[SolverRuns]) -> dict[str, list[Timing]]:
    found: dict[str, list[Timing]] = {}
    for answer in sorted(answers, key=lambda a: a.first.solver):
        found.setdefault(answer.first.solver, []).append(_timing(answer))
    return found


def _timing(answer: SolverRuns) -> Timing:
    return Timing(answer.first.classes, counted_seconds(answer), answer.done)


def _mark(answer: SolverRuns) -> Mark:
    timing, first = _timing(answer), answer.first
    return Mark(
        timing.classes,
        timing.seconds,
        {
            "solver": first.solver,
            "instance": f"{first.instance} ({timing.classes:,} classes, {first.items:,} items)",
            "time": f"{digits(1e3 * answer.seconds)} ms, median of {len(answer.runs)}",
            "status": first.status,
        },
    )


SECTION = Section(
    "Time against size", 65, "instances of several sizes (`bitknap bench scaling`)", build
)
