"""COIN-OR CBC branch-and-cut through PuLP, at zero gap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import BackEnd, Deadline, Limits, Outcome, Tier
from ..program import Program
from ..refinement import BackendAnswer, as_it_comes, refine


@dataclass(frozen=True)
class Cbc(BackEnd):
    """The 0-1 program with one binary per item, by PuLP and its CBC.

    Only ``sol_status`` tells a proven optimum from an incumbent at the time limit; CBC's
    ``increment`` of 1e-5 is lowered to 1e-9, its gaps to 0.

    Args:
        tier: its settings.

    References:
        J. Forrest, R. Lougee-Heimer, INFORMS TutORials 2005, doi 10.1287/educ.1053.0020.
    """

    tier: Tier = Tier.STRICT

    exact = True
    requires: ClassVar[tuple[str, ...]] = ("pulp", "cbcbox")
    module = "pulp"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, solve, refine."""
        # PuLP would leave its files behind where it is ended at the limit.
        with TemporaryDirectory() as folder:
            backend = partial(_pulp, folder=folder, tier=self.tier)
            if self.tier is not Tier.STRICT:
                return as_it_comes(instance, limits, backend)
            return refine(instance, limits, backend, tolerance=1e-5)


def _pulp(program: Program, deadline: Deadline | None, folder: str, tier: Tier) -> BackendAnswer:
    import cbcbox
    import pulp

    problem = pulp.LpProblem("mckp", pulp.LpMinimize)
    x = [problem.add_variable(f"x{j}", cat=pulp.LpBinary) for j in range(len(program.cost))]
    carries = [
        problem.add_variable(f"z{k}", 0, most, pulp.LpInteger)
        for k, most in enumerate(program.most.tolist())
    ]
    problem += _row(x, program.cost)
    for start, stop in pairwise(program.offsets.tolist()):
        problem += pulp.lpSum(x[start:stop]) == 1
    for row, right in zip(program.columns, program.right.tolist(), strict=True):
        problem += _row(x + carries, row) <= right
    exactly = {"gapRel": 0.0, "gapAbs": 0.0, "options": ["increment 1e-9"]}
    solver = pulp.COIN_CMD(
        path=cbcbox.cbc_bin_path(),
        msg=False,
        threads=1,
        timeLimit=None if deadline is None else max(deadline.left, 0.01),
        **({} if tier is Tier.DEFAULT else exactly),
    )
    solver.tmpDir = folder
    problem.solve(solver)
    if problem.sol_status == pulp.LpSolutionInfeasible:
        return BackendAnswer(None, infeasible=True)
    shares = [v.value() for v in x]
    if any(value is None for value in shares):
        return BackendAnswer(None)
    proven = problem.sol_status == pulp.LpSolutionOptimal
    choice = program.rounded(np.array(shares))
    # CBC's bound does not come back through PuLP; a proof makes the objective the bound.
    at = program.offsets[:-1] + choice
    return BackendAnswer(choice, proven, math.fsum(program.cost[at].tolist()) if proven else None)


def _row(x: list[Any], coefficients: Any) -> Any:
    import pulp

    pairs = zip(x, coefficients.tolist(), strict=True)
    return pulp.LpAffineExpression([(v, c) for v, c in pairs if c])


SOLVER = Cbc()
