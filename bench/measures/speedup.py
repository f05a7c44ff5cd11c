"""Speed-up: the processor time of the best of other exact methods over a method's own."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .answers import SolverRuns, key_of
from .profile import is_proven

GENERAL = ("highs", "cbc", "scip", "cpsat")
"""Solvers of integer programs of any form."""

Times = Mapping[str, Mapping[str, float]]
"""Instance -> exact method -> processor seconds of its proof."""


@dataclass(frozen=True)
class Speedup:
    """Ratios over some instances: above 1 the method is the faster one."""

    instances: int
    least: float
    median: float
    largest: float


def proof_times(answers: Iterable[SolverRuns]) -> Times:
    """Processor time of every true proof by an exact method, where the records have it."""
    times: dict[str, dict[str, float]] = {}
    for answer in answers:
        if answer.first.exact and is_proven(answer) and answer.cpu_seconds:
            times.setdefault(key_of(answer.first), {})[answer.first.solver] = answer.cpu_seconds
    return times


def wins(times: Times) -> Counter[str]:
    """On how many instances each method has the fastest proof; equal times count for all."""
    return Counter(
        solver for row in times.values() for solver in row if row[solver] == min(row.values())
    )


def speedup(times: Times, solver: str, peers: Collection[str]) -> Speedup | None:
    """min over peers r of t(p, r) / t(p, s), over the instances p that s and a peer proved.

    The least time of several methods is that of their virtual best solver, an ideal: one
    would have to know in advance which of them to call.

    References:
        L. Xu, F. Hutter, H. Hoos, K. Leyton-Brown, Evaluating Component Solver Contributions to
        Portfolio-Based Algorithm Selectors, SAT 2012, doi:10.1007/978-3-642-31612-8_18.
    """
    ratios: Sequence[float] = [
        min(others) / row[solver]
        for row in times.values()
        if solver in row and (others := [row[r] for r in peers if r in row and r != solver])
    ]
    if not ratios:
        return None
    return Speedup(len(ratios), min(ratios), statistics.median(ratios), max(ratios))
