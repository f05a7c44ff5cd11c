"""What a solver has by when: its choice under each of several time limits, and primal integrals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitknap.problems import Instance, build_instance, write_atomically
from bitknap.problems.families import mmkp_correlated, mpq, mpq_multi
from bitknap.solvers import Solution, Status, solve

from ..figures.gap_over_time import draw_gaps
from ..figures.style import svg_text
from ..measures.primal_integral import gap_curve, primal_integral
from ..tables.table import Table, digits, percent

SOLVERS = ("core", "multi", "highs", "cbc", "scip", "cpsat", "annealing")
LIMITS = (0.1, 0.3, 1.0, 3.0, 10.0)
LATE = 1.1
"""Up to which multiple of the limit an answer counts as in time."""


@dataclass(frozen=True)
class Runs:
    """The answers of one solver to one instance, one per time limit until a proof."""

    solver: str
    solutions: Sequence[Solution]

    @property
    def choices(self) -> list[tuple[float, float]]:
        """(seconds, objective) of each answer that has a choice."""
        return [(s.seconds, s.objective) for s in self.solutions if s.objective is not None]

    @property
    def proven(self) -> bool:
        """Whether the last answer is proven optimal."""
        return self.solutions[-1].status is Status.OPTIMAL


def study(quick: bool, folder: Path, say: Callable[[str], None]) -> Iterator[Table]:
    """Solve large and multi-resource instances under growing limits.

    Every point is a run of its own under its limit, recomputed by the referee: what a user has who
    gives the solver that time. Back-ends without callbacks are thus measured as the others are.
    """
    limits = LIMITS[:3] if quick else LIMITS
    panels = {}
    for title, instance in instances(quick).items():
        found = []
        for solver in SOLVERS:
            say(f"{title}: {solver}")
            runs = answers(solver, instance, limits)
            if runs.solutions[0].status is not Status.UNSUPPORTED:
                found.append(runs)
        best = min(objective for runs in found for _, objective in runs.choices)
        panels[title] = {runs.solver: gap_curve(runs.choices, best) for runs in found}
        yield _table(title, found, best, limits)
    write_atomically(folder / "anytime.svg", svg_text(draw_gaps(panels, 0.01, limits[-1])))


def instances(quick: bool) -> Mapping[str, Instance]:
    """Title of each panel, and its instance."""
    layers, classes = (1000, 30) if quick else (100_000, 200)
    bits = (2, 3, 4, 5, 6, 7, 8, 16)
    return {
        f"{layers:,} layers, one limit": mpq.generate(classes=layers, bits=bits),
        f"{classes} layers, four limits": mpq_multi.generate(
            classes=classes, resources=4, bits=(2, 4, 6, 8), activation_bits=(2, 4, 6, 8)
        ),
        f"{classes} classes, ten limits": mmkp_correlated.generate(classes=classes, resources=10),
    }


def answers(solver: str, instance: Instance, limits: Sequence[float]) -> Runs:
    """Solve under each limit; no longer once it is proven, or the solver cannot."""
    solve(build_instance([[(3, 1), (1, 2)]], 1), solver)
    solutions: list[Solution] = []
    for limit in limits:
        solutions.append(solve(instance, solver, limit))
        if solutions[-1].status in (Status.OPTIMAL, Status.UNSUPPORTED):
            break
    return Runs(solver, solutions)


def _table(title: str, found: Sequence[Runs], best: float, limits: Sequence[float]) -> Table:
    rows = []
    for runs in found:
        curve = gap_curve(runs.choices, best)
        had = [[gap for at, gap in curve if at <= LATE * limit] for limit in limits]
        cells = [percent(gaps[-1]) if gaps else "-" for gaps in had]
        last = runs.solutions[-1]
        proof = f"{digits(last.seconds)} s" if runs.proven else "-"
        integral = f"{digits(primal_integral(curve, limits[-1]))} s"
        rows.append([runs.solver, *cells, integral, proof])
    return Table(
        f"Above the best known by time: {title}",
        ("solver", *(f"{limit:g} s" for limit in limits), "primal integral", "proven in"),
        rows,
        notes=(
            "Each choice is that of a run under its own limit, recomputed, and counts from when it "
            "was returned; a dash is no choice. The primal integral is that of the gap over the "
            "time (Berthold 2013), 100 % before the first choice: less is better.",
        ),
    )
