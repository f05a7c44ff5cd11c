"""Exact answers from back-ends with absolute tolerances: scale, solve, peel, solve again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, fitting, restrict, undominated

from .base import Deadline, Limits, Outcome, Status
from .child import within
from .local import improve
from .program import Program, cover, plain_program, small_program

_FEW = 1000

LARGEST = 1e6
"""What the largest cost is scaled to: MIP tolerances of 1e-6 then are 1e-12 of it."""


@dataclass(frozen=True)
class BackendAnswer:
    """What a back-end said of one scaled problem.

    Args:
        choice: (L,) item positions within the classes, or None.
        proven: whether the back-end calls the choice optimal at zero gap.
        bound: its dual bound in scaled cost, or None.
        infeasible: whether it calls the problem infeasible.
    """

    choice: IntArray | None
    proven: bool = False
    bound: float | None = None
    infeasible: bool = False
    stats: Mapping[str, Any] = field(default_factory=dict)


Backend = Callable[[Program, Deadline | None], BackendAnswer]
"""Solves a program with costs in [0, LARGEST], or integers, until a deadline."""


def refine(
    instance: Instance,
    limits: Limits,
    backend: Backend,
    *,
    tolerance: float,
    largest: float = LARGEST,
    integers: bool = False,
) -> Outcome:
    """Solve by a back-end whose tolerances are absolute, to 1e-12 of the cost above the minima.

    Items that fit beside nothing, and dominated ones, are dropped. Costs are counted from the
    smallest of each class, d_ij = p_ij - min_j p_ij >= 0, and scaled so that the largest is
    ``largest``. An item with d_ij above the total d of a known choice cannot be in a better one,
    so after each answer such items are peeled off and the rest is scaled up and solved again,
    until the scale no longer grows tenfold. No item is lost that an optimum needs, and the
    back-end's tolerance shrinks with the costs that matter.

    Weights enter as small integers (:func:`.program.small_program`). A choice that still exceeds a
    capacity is cut off (:func:`.program.cover`), and the rest solved again.

    Args:
        instance: without ties.
        backend: one call of the back-end.
        tolerance: what its dual bound may be above the truth, in scaled cost.
        integers: round scaled costs down, which keeps bounds true.

    Returns:
        OPTIMAL when the last round was proven; else FEASIBLE with a bound true for ``instance``,
        or NO_SOLUTION, and the reason.
    """
    deadline = Deadline.after(limits.time)
    problem, old = restrict(instance, undominated(instance) & fitting(instance))
    lowest = np.minimum.reduceat(problem.cost, problem.offsets[:-1])
    best = _BestAnswer()
    before = math.inf
    while True:
        above = problem.cost - np.repeat(lowest, problem.sizes)
        top = float(above.max())
        if before < 10.0 * top or (top == 0.0 and before < math.inf):
            # Rounding down takes less than one unit per class.
            if integers and top > 0.0 and len(problem) * before > 1e-12 * largest * best.total:
                return best.outcome(Status.FEASIBLE, lowest)
            return best.outcome(Status.OPTIMAL, lowest)
        # Divided first: largest / top may be beyond float64.
        costs = above / (top or 1.0) * largest
        program = small_program(problem, np.floor(costs) if integers else costs)
        items = old - instance.offsets[problem.class_of]
        answer = _feasible(problem, program, backend, deadline, best)
        answer = _doubted(problem, answer, deadline, best)
        before = top
        best.take(answer, problem, above, items)
        if answer.bound is not None:
            best.bound = max(best.bound, (answer.bound - tolerance) / largest * top - 5e-324)
        if answer.infeasible and best.choice is None and instance.n_resources > 1:
            return Outcome(Status.INFEASIBLE, stats=best.stats)
        if not answer.proven or best.choice is None:
            return best.outcome(Status.FEASIBLE, lowest, deadline.passed)
        problem, kept = restrict(problem, above <= best.total)
        old = old[kept]


def _feasible(
    problem: Instance, program: Program, backend: Backend, deadline: Deadline, best: _BestAnswer
) -> BackendAnswer:
    """The back-end's answer once every choice that exceeds a capacity has been cut off."""
    cuts: list[tuple[IntArray, int]] = []
    seen: set[bytes] = set()
    while True:
        left = deadline.left
        if left <= 0.0:
            return BackendAnswer(None)
        answer = _called(backend, program.with_cuts(cuts), None if left == math.inf else left)
        best.count(answer)
        cut = None if answer.choice is None else cover(problem, answer.choice)
        if cut is None or answer.choice is None:
            return answer
        best.stats["refuted"] += 1
        if answer.choice.tobytes() in seen:
            return BackendAnswer(None, bound=answer.bound)
        seen.add(answer.choice.tobytes())
        cuts.append(cut)


def _doubted(
    problem: Instance, answer: BackendAnswer, deadline: Deadline, best: _BestAnswer
) -> BackendAnswer:
    """The answer; unproven, without its bound, when exchanging one item improves it."""
    if not answer.proven or answer.choice is None:
        return answer
    better = improve(problem, answer.choice, deadline)
    least = problem.objective(better)
    magnitude = np.abs(problem.cost[problem.positions(answer.choice)]).sum()
    if least >= problem.objective(answer.choice) - 1e-12 * magnitude:
        return answer
    best.stats["claim_refuted"] = True
    return BackendAnswer(better)


def _called(backend: Backend, program: Program, seconds: float | None) -> BackendAnswer:
    """The answer of a back-end, or of one that was ended at the limit.

    With few items they keep their limits by themselves, and a process takes longer to start.
    """
    deadline = None if seconds is None else Deadline.after(seconds)
    if len(program.cost) <= _FEW:
        return backend(program, deadline)
    return within(seconds, lambda: backend(program, deadline)) or BackendAnswer(None)


def as_it_comes(instance: Instance, limits: Limits, backend: Backend) -> Outcome:
    """One call of the back-end on unchanged costs and weights; its claim is not checked.

    For studies of what back-ends say; the bound it states is not corrected.
    """
    answer = _called(backend, plain_program(instance, instance.cost), limits.time)
    if answer.choice is None:
        status = Status.INFEASIBLE if answer.infeasible else Status.NO_SOLUTION
        return Outcome(status, stats=answer.stats)
    status = Status.OPTIMAL if answer.proven else Status.FEASIBLE
    return Outcome(status, answer.choice, answer.bound, stats=answer.stats)


@dataclass
class _BestAnswer:
    """The best choice so far, its cost above the minima, and a bound of the optimum's."""

    choice: IntArray | None = None
    total: float = math.inf
    bound: float = 0.0
    stats: dict[str, Any] = field(default_factory=lambda: {"rounds": 0, "refuted": 0})

    def count(self, answer: BackendAnswer) -> None:
        self.stats |= dict(answer.stats)

    def take(
        self, answer: BackendAnswer, problem: Instance, above: FloatArray, items: IntArray
    ) -> None:
        self.stats["rounds"] += 1
        if answer.choice is None:
            return
        at = problem.positions(answer.choice)
        total = math.fsum(above[at].tolist())
        if self.choice is None or total < self.total:
            self.choice, self.total = items[at], total

    def outcome(self, status: Status, lowest: FloatArray, late: bool = False) -> Outcome:
        reason = "" if status is Status.OPTIMAL else self._why(late)
        if self.choice is None:
            return Outcome(Status.NO_SOLUTION, stats=self.stats, reason=reason)
        base = lowest.tolist()
        # The sum below is rounded twice; the allowance covers both.
        allowance = 1e-15 * (math.fsum(map(abs, base)) + self.bound)
        bound = math.fsum([*base, min(self.bound, self.total), -allowance])
        return Outcome(status, self.choice, bound, stats=self.stats, reason=reason)

    def _why(self, late: bool) -> str:
        found = "Nothing feasible was found" if self.choice is None else "The choice is feasible"
        why = "the time limit was met" if late else "the back-end ended without a proof"
        if "claim_refuted" in self.stats:
            why = "the back-end claimed it of a choice that the exchange of one item improves"
        refuted = self.stats["refuted"]
        more = f"; {refuted} of its choices exceeded a capacity" if refuted else ""
        return f"{found}, but not proven to be the best: {why}{more}."
