"""HiGHS branch-and-cut through SciPy, at zero gap."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import BackEnd, Deadline, Limits, Outcome, Tier
from ..program import Program
from ..refinement import BackendAnswer, as_it_comes, refine


@dataclass(frozen=True)
class Highs(BackEnd):
    """The 0-1 program with one binary per item, by ``scipy.optimize.milp``.

    HiGHS' default relative gap of 1e-4 is set to 0; its absolute gap of 1e-6 cannot be set
    through SciPy, so costs are scaled and refined (:func:`bitknap.solvers.refinement.refine`).

    Args:
        tier: its settings; HiGHS' own default is a relative gap of 1e-4.

    References:
        Q. Huangfu, J. Hall, Math. Program. Comput. 10 (2018), 119-142.
    """

    tier: Tier = Tier.STRICT

    exact = True
    requires: ClassVar[tuple[str, ...]] = ("scipy",)
    module = "scipy.optimize"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, solve, refine."""
        backend = partial(_milp, tier=self.tier)
        if self.tier is not Tier.STRICT:
            return as_it_comes(instance, limits, backend)
        return refine(instance, limits, backend, tolerance=1e-5)


def _milp(program: Program, deadline: Deadline | None, tier: Tier) -> BackendAnswer:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    n, count, carries = len(program.cost), len(program.offsets) - 1, len(program.most)
    one_each = csr_array((np.ones(n), np.arange(n), program.offsets), shape=(count, n + carries))
    options: dict[str, object] = {"disp": False}
    if tier is not Tier.DEFAULT:
        options["mip_rel_gap"] = 0.0
    if deadline is not None:
        options["time_limit"] = deadline.left
    with _quiet_stdout():
        result = milp(
            np.append(program.cost, np.zeros(carries)),
            integrality=np.ones(n + carries),
            bounds=Bounds(0, np.append(np.ones(n), program.most)),
            constraints=[
                LinearConstraint(one_each, 1, 1),
                LinearConstraint(csr_array(program.columns.astype(float)), -np.inf, program.right),
            ],
            options=options,
        )
    stats = {"nodes": int(result.get("mip_node_count") or 0)}
    bound = result.get("mip_dual_bound")
    if result.status == 2:
        return BackendAnswer(None, infeasible=True, stats=stats)
    choice = None if result.x is None else program.rounded(result.x)
    return BackendAnswer(choice, result.status == 0, bound, stats=stats)


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """HiGHS prints stray lines to file descriptor 1 whatever ``disp`` says."""
    sys.stdout.flush()
    kept = os.dup(1)
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 1)
        yield
    finally:
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(devnull)


SOLVER = Highs()
