"""What "optimal" means: false claims of back-ends as their manuals say, at zero gap, and strict."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bitknap.problems import Instance, merge_ties
from bitknap.problems.families import FAMILIES
from bitknap.problems.families.mpq import generate
from bitknap.problems.library import library_instance, library_names
from bitknap.solvers import Limits, Solver, Status, solve
from bitknap.solvers.base import Tier
from bitknap.solvers.methods.cbc import Cbc
from bitknap.solvers.methods.core import Core
from bitknap.solvers.methods.cpsat import CpSat
from bitknap.solvers.methods.highs import Highs
from bitknap.solvers.methods.scip import Scip

from ..tables.table import Table, digits

BACK_ENDS: dict[str, Callable[..., Solver]] = {
    "HiGHS": Highs,
    "CBC": Cbc,
    "SCIP": Scip,
    "CP-SAT": CpSat,
}
LARGEST = (1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6)
CLASSICAL = ("uncorrelated", "weakly_correlated", "strongly_correlated", "subset_sum", "zigzag")
LIMITS = Limits(time=3.0)
EXACT = 1e-12
"""Relative excess over the optimum up to which a claim counts as true."""


def contenders() -> dict[tuple[str, str], Solver]:
    """Every back-end at every tier, then ``core``; CP-SAT's default gap is 0 already."""
    found: dict[tuple[str, str], Solver] = {
        (name, tier.value): back_end(tier=tier)
        for tier in Tier
        for name, back_end in BACK_ENDS.items()
        if (name, tier) != ("CP-SAT", Tier.ZERO_GAP)
    }
    return found | {("core", "-"): Core()}


@dataclass
class Claims:
    """What one solver claimed of a set of instances.

    Args:
        wrong: those above the optimum, or over a capacity.
        worst: the largest excess over the optimum, relative to it; inf for a choice over capacity.
    """

    asked: int = 0
    made: int = 0
    wrong: int = 0
    worst: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def add(self, solver: Solver, instance: Instance, optimum: float) -> None:
        """Count one answer against the proven optimum."""
        start = time.perf_counter()
        outcome = solver.solve(instance, LIMITS)
        self.seconds.append(time.perf_counter() - start)
        self.asked += 1
        if outcome.status is not Status.OPTIMAL or outcome.choice is None:
            return
        self.made += 1
        above = instance.objective(outcome.choice) - optimum
        excess = above / abs(optimum) if optimum else (math.inf if above else 0.0)
        if not instance.is_feasible(outcome.choice):
            excess = math.inf
        if excess > EXACT:
            self.wrong += 1
            self.worst = max(self.worst, excess)

    def __add__(self, other: Claims) -> Claims:
        return Claims(
            self.asked + other.asked,
            self.made + other.made,
            self.wrong + other.wrong,
            max(self.worst, other.worst),
            self.seconds + other.seconds,
        )

    @property
    def cell(self) -> str:
        """Wrong claims of all claims, and the worst excess."""
        if not self.made:
            return "-"
        if not self.wrong:
            return f"0/{self.made}"
        return f"{self.wrong}/{self.made}, {self.excess}"

    @property
    def excess(self) -> str:
        """The worst excess: in per cent below the double, else as a multiple of the optimum."""
        if not self.wrong:
            return "-"
        if math.isinf(self.worst):
            return "over capacity"
        if self.worst >= 1.0:
            return f"{digits(1.0 + self.worst, 2)}x"
        return f"+{digits(100 * self.worst, 2)} %"


def study(quick: bool, say: Callable[[str], None]) -> Iterator[Table]:
    """Count claims on networks' instances, on scaled costs and on classical families."""
    sets = instance_sets(quick)
    solvers = contenders()
    claims = {(key, name): Claims() for key in solvers for name in sets}
    for name, instances in sets.items():
        for number, instance in enumerate(instances, 1):
            say(f"{name}: instance {number} of {len(instances)}")
            solved = solve(instance)
            assert solved.status is Status.OPTIMAL
            assert solved.objective is not None
            for key, solver in solvers.items():
                claims[key, name].add(solver, instance, solved.objective)
    yield _headline(claims, solvers, sets)
    scales = {f"{top:g}": f"costs up to {top:g}" for top in LARGEST}
    yield Table(
        "The same instances with their costs multiplied, by the largest cost",
        ("solver", "settings", *scales),
        [[*key, *(claims[key, name].cell for name in scales.values())] for key in solvers],
        notes=(f"{len(sets['costs up to 1'])} MPQ-like instances per column, identical but for the "
        "factor.",),
        text_columns=2,
    )  # fmt: skip


def instance_sets(quick: bool) -> dict[str, Sequence[Instance]]:
    """Name of every set with its instances."""
    names = library_names()[:: 12 if quick else 1]
    shipped = [merge_ties(library_instance(name)).instance for name in names]
    sizes, seeds = ((54,), 2) if quick else ((54, 200), 8)
    scaled = {
        f"costs up to {top:g}": [
            generate(classes=layers, bits=(2, 4, 8), seed=seed, largest=top)
            for layers in sizes
            for seed in range(1, seeds + 1)
        ]
        for top in LARGEST
    }
    classical = [
        FAMILIES.load(name)(classes=100, seed=seed)
        for name in CLASSICAL[: 2 if quick else None]
        for seed in (1, 2)
    ]
    return {"networks": shipped, **scaled, "classical": classical}


def _headline(
    claims: dict[tuple[tuple[str, str], str], Claims],
    solvers: dict[tuple[str, str], Solver],
    sets: dict[str, Sequence[Instance]],
) -> Table:
    scaled = [name for name in sets if name.startswith("costs")]
    rows = []
    for key in solvers:
        networks, classical = claims[key, "networks"], claims[key, "classical"]
        costs = sum((claims[key, name] for name in scaled), Claims())
        every = networks + costs + classical
        rows.append(
            [
                *key,
                networks.cell,
                costs.cell,
                classical.cell,
                f"{every.made} of {every.asked}",
                f"{digits(1e3 * statistics.median(every.seconds))}",
            ]
        )
    return Table(
        "False claims of optimality, of all claims, and the worst excess over the optimum",
        ("solver", "settings", "networks", "scaled costs", "classical", "claims", "median ms"),
        rows,
        notes=(
            f"networks: the {len(sets['networks'])} instances of real networks that ship; scaled "
            f"costs: {sum(len(sets[name]) for name in scaled)} MPQ-like instances with largest "
            "costs from 1e-9 to 1e6; "
            f"classical: {len(sets['classical'])} of Pisinger's families with 100 classes.",
            "default: the package's own tolerances. zero gap: every gap that can be set is 0. "
            "strict: bitknap's methods, scaled and refined. CP-SAT, which takes integers only, "
            "gets costs rounded to millionths of the largest unless strict.",
            f"A claim is false above {EXACT:g} relative, or over a capacity. Truth: core, whose "
            f"comparisons are exact. At most {LIMITS.time:g} s per solve.",
        ),
        text_columns=2,
    )
