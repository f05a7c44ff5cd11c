"""Performance profiles: on which share of instances a solver is within a factor of the best."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bitknap.solvers import relative_gap

from .answers import SolverRuns, key_of


@dataclass(frozen=True)
class Profile:
    """The profiles of several solvers over the same instances.

    Args:
        ratios: solver -> its ratio on every instance, ascending; inf where it failed.
    """

    ratios: dict[str, tuple[float, ...]]

    def share(self, solver: str, factor: float) -> float:
        """rho(tau): share of instances on which the solver took at most tau times the least."""
        ratios = self.ratios[solver]
        return bisect.bisect_right(ratios, factor) / len(ratios)

    def least(self) -> float:
        """The least ratio: 1, or inf where every solver failed on every instance."""
        return min(row[0] for row in self.ratios.values())

    def largest(self) -> float:
        """The largest finite ratio: from there on no profile rises."""
        return max(
            (r for row in self.ratios.values() for r in row if math.isfinite(r)), default=1.0
        )


Solved = Callable[[SolverRuns], bool]
"""Whether an answer counts as a success."""


def is_proven(answer: SolverRuns) -> bool:
    """A true proof on every run."""
    return answer.supported and answer.proven


def within(gap: float) -> Solved:
    """Success is a choice on every run within a relative gap of the best that is known."""

    def solved(answer: SolverRuns) -> bool:
        best = answer.reference.best
        return best is not None and all(
            run.objective is not None and relative_gap(run.objective, best) <= gap
            for run in answer.runs
        )

    return solved


def performance_profile(answers: Sequence[SolverRuns], solved: Solved = is_proven) -> Profile:
    """Profiles of all solvers over all instances of the answers.

    r(p, s) = t(p, s) / min over s of t(p, s), with median times; inf where solver s failed on
    instance p or has no answer there; rho_s(tau) is the share of instances with r(p, s) <= tau.
    Its left end counts wins, its right end successes. Ranks beyond the best can change when a
    solver is left out.

    References:
        E. Dolan, J. More, Math. Program. 91 (2002), 201-213, arXiv cs/0102001.
    """
    instances = list(dict.fromkeys(key_of(answer.first) for answer in answers))
    solvers = sorted({answer.first.solver for answer in answers})
    times = {
        (key_of(answer.first), answer.first.solver): answer.seconds
        for answer in answers
        if solved(answer)
    }
    ratios = {}
    for solver in solvers:
        row = []
        for instance in instances:
            least = min(times.get((instance, other), math.inf) for other in solvers)
            taken = times.get((instance, solver), math.inf)
            row.append(taken / least if math.isfinite(taken) and least > 0.0 else taken)
        ratios[solver] = tuple(sorted(row))
    return Profile(ratios)
