"""How far solvers are above the optimum, and what a proof costs beside the heuristics."""

from __future__ import annotations

from ...figures.gap_by_solver import draw_gaps
from ...measures.answers import SolverRuns
from ...measures.certainty import cost_of_certainty
from ...measures.gap import gap
from ...measures.shifted_mean import mean_seconds
from ...tables.table import Table, digits, percent
from ..base import Content, Plot, Section
from ..source import Source

CAPTION = (
    "How far every solver's choice is above the optimum of every instance: (objective - optimum) "
    "/ |optimum|, both recomputed; above the best bound where no solver proved an optimum. One "
    "dot per instance; on the right, how many have none."
)


def build(source: Source) -> Content | None:
    """One row per solver, exact ones first."""
    found: dict[str, list[tuple[SolverRuns, float]]] = {}
    for answer in sorted(source.answers, key=lambda a: (not a.first.exact, a.first.solver)):
        distance = gap(answer) if answer.supported else None
        if distance is not None:
            found.setdefault(answer.first.solver, []).append((answer, distance))
    if not found or source.results is not None:
        return None
    plot = Plot(
        "gap_by_solver",
        CAPTION,
        draw_gaps({solver: [distance for _, distance in rows] for solver, rows in found.items()}),
        data=Table(
            "Gaps",
            ("solver", "instance", "gap"),
            [
                [solver, answer.first.instance, repr(distance)]
                for solver, rows in found.items()
                for answer, distance in rows
            ],
        ),
    )
    certainty = _certainty(source.answers)
    return Content(plots=[plot], tables={"cost_of_certainty": certainty} if certainty else {})


def _certainty(answers: list[SolverRuns]) -> Table | None:
    """The exact method that proves most, the fastest on a tie, beside every heuristic."""
    exact = _most_proofs(answers)
    heuristics = sorted({a.first.solver for a in answers if not a.first.exact})
    rows = []
    for heuristic in heuristics if exact else ():
        found = cost_of_certainty(answers, exact, heuristic)
        if found is not None:
            rows.append(
                [
                    heuristic,
                    f"{found.instances}",
                    digits(found.factor),
                    percent(found.proof_only),
                    percent(found.mean_gap),
                    percent(found.worst_gap),
                ]
            )
    if not rows:
        return None
    return Table(
        f"Cost of certainty: {exact} beside the heuristics",
        ("heuristic", "instances", "time factor", "had the optimum", "mean above", "worst above"),
        rows,
        notes=(
            f"Over the instances that {exact} proved and the heuristic answered; time factor: "
            f"geometric mean of the time of {exact} over the heuristic's.",
        ),
    )


def _most_proofs(answers: list[SolverRuns]) -> str:
    by_name: dict[str, list[SolverRuns]] = {}
    for answer in answers:
        if answer.first.exact and answer.proven:
            by_name.setdefault(answer.first.solver, []).append(answer)
    return min(
        by_name, key=lambda name: (-len(by_name[name]), mean_seconds(by_name[name])), default=""
    )


SECTION = Section(
    "Above the optimum, by solver", 70, "solves of a suite (`bitknap bench SUITE`)", build
)
