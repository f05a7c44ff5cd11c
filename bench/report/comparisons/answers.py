"""Statuses, objectives and gaps that differ."""

from __future__ import annotations

from ...measures.answers import SolverRuns, same
from ...measures.gap import gap
from ...tables.table import Table, percent
from ..base import Content, Section
from ..pairs import Pair, paired
from ..source import Source


def build(a: Source, b: Source) -> Content | None:
    """The pairs that differ, and how many there are in all."""
    pairs = paired(a, b)
    if not pairs:
        return None
    changed = [pair for pair in pairs if _differs(pair)]
    text = f"{len(changed):,} of {len(pairs):,} pairs of solver and instance differ in their answer"
    other = sum(_is_another(pair) for pair in pairs)
    if other:
        text += f"; in {other:,} the instances are not the same but for their name"
    if not changed:
        return Content(texts=[f"{text}."])
    table = Table(
        "Answers that differ",
        ("solver", "instance", "status in A", "in B", "objective in A", "in B", "gap in A", "in B"),
        [
            [
                pair.solver,
                pair.instance,
                pair.first.first.status,
                pair.second.first.status,
                *(_number(answer.first.objective) for answer in (pair.first, pair.second)),
                *(percent(gap(answer)) for answer in (pair.first, pair.second)),
            ]
            for pair in changed
        ],
        notes=("Gaps are to the best known of the own folder.",),
        text_columns=4,
    )
    return Content(texts=[f"{text}."], tables={"answers": table})


def _differs(pair: Pair) -> bool:
    before, after = pair.first.first, pair.second.first
    if before.status != after.status or (before.objective is None) != (after.objective is None):
        return True
    return before.objective is not None and not same(before.objective, after.objective or 0.0)


def _is_another(pair: Pair) -> bool:
    """Whether two instances of one name have different hashes, or different proven optima."""
    before, after = pair.first.first.instance_hash, pair.second.first.instance_hash
    if before and after:
        return before != after
    known = [_optimum(answer) for answer in (pair.first, pair.second)]
    return None not in known and not same(known[0] or 0.0, known[1] or 0.0)


def _optimum(answer: SolverRuns) -> float | None:
    return answer.reference.best if answer.reference.proven else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.9g}"


SECTION = Section("Answers", 20, "solves of the same solver and instance in both", build)
