"""Which back-ends wrongly claim optimality on float costs, how often and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitknap.problems import Instance
from bitknap.problems.families.mpq import generate
from bitknap.solvers import Limits, Solver, Status, relative_gap, solve
from bitknap.solvers.methods.cbc import Cbc
from bitknap.solvers.methods.core import Core
from bitknap.solvers.methods.highs import Highs
from bitknap.solvers.methods.scip import Scip

from ..tables.table import Table, digits

LARGEST = (1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6)
LIMITS = Limits(time=30.0)


def contenders() -> dict[str, Solver]:
    """Back-ends unchanged, at zero gap; then the same, scaled and refined."""
    return {
        "HiGHS, default gap 1e-4": Highs(refined=False, gap=1e-4),
        "HiGHS": Highs(refined=False),
        "CBC": Cbc(refined=False),
        "SCIP": Scip(refined=False),
        "HiGHS, refined": Highs(),
        "CBC, refined": Cbc(),
        "SCIP, refined": Scip(),
        "core": Core(),
    }


@dataclass
class Tally:
    """Claims of one solver at one scale."""

    claims: int = 0
    wrong: int = 0
    worst: float = 0.0

    def add(self, solver: Solver, instance: Instance, optimum: float) -> None:
        """Count one answer against the proven optimum (1e-12 relative)."""
        outcome = solver.solve(instance, LIMITS)
        if outcome.status is not Status.OPTIMAL or outcome.choice is None:
            return
        self.claims += 1
        excess = relative_gap(instance.objective(outcome.choice), optimum)
        over = not instance.is_feasible(outcome.choice)
        if over or excess > 1e-12:
            self.wrong += 1
            self.worst = max(self.worst, float("inf") if over else excess / (1.0 - excess))


def study(quick: bool) -> Iterator[Table]:
    """Solve the same instances with their costs multiplied by powers of ten."""
    seeds = range(1, 3 if quick else 9)
    sizes = (54,) if quick else (54, 200)
    tallies = {(name, top): Tally() for name in contenders() for top in LARGEST}
    for top in LARGEST:
        for layers in sizes:
            for seed in seeds:
                instance = generate(classes=layers, bits=(2, 4, 8), seed=seed, largest=top)
                optimum = solve(instance).objective
                assert optimum is not None
                for name, solver in contenders().items():
                    tallies[name, top].add(solver, instance, optimum)
    rows = [[name, *(_cell(tallies[name, top]) for top in LARGEST)] for name in contenders()]
    yield Table(
        "Wrong claims of optimality, and the worst excess over the optimum, by largest cost",
        ("solver", *(f"{top:g}" for top in LARGEST)),
        rows,
        notes=(
            f"{len(sizes) * len(seeds)} MPQ-like instances per column "
            f"({', '.join(map(str, sizes))} layers x 3 bit-widths, seeds 1 to {len(seeds)}), "
            "the same but for the factor.",
            "w/c: w of c claims of optimality were wrong (above 1e-12 relative), then the worst; "
            "- where it never claimed one. Truth: core, whose comparisons are exact in rationals.",
        ),
    )


def _cell(tally: Tally) -> str:
    if not tally.claims:
        return "-"
    if not tally.wrong:
        return f"0/{tally.claims}"
    if tally.worst >= 1.0:
        return f"{tally.wrong}/{tally.claims}, {digits(1.0 + tally.worst, 2)}x"
    return f"{tally.wrong}/{tally.claims}, +{digits(100 * tally.worst, 2)} %"
