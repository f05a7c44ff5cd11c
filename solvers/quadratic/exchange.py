"""Exchanges of one and two classes' items from many starts: a good choice in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray
from bitknap.problems.quadratic import QuadraticInstance

from ..base import NEVER, Deadline, Limits, Method, Outcome, Status, TimeUp
from ..local import lightest, repair
from .model import Model, oracle


@dataclass(frozen=True)
class Exchange(Method):
    """Iterated local search: a local optimum, kicked in a few classes, and improved again.

    A local optimum is one that no feasible exchange of the items of one class, or of two at once,
    lowers. The first start is the optimum of the knapsack without products.

    References:
        H. R. Lourenco, O. C. Martin, T. Stuetzle, Iterated local search, 2003, arXiv
        math/0102188.
    """

    rounds: int = 20
    seed: int = 0

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        """Search."""
        deadline = Deadline.after(limits.time)
        choice = search(problem, rounds=self.rounds, seed=self.seed, deadline=deadline)
        if choice is None:
            return Outcome(Status.NO_SOLUTION, reason="no start fits all capacities")
        return Outcome(Status.FEASIBLE, choice, objective=problem.objective(choice))


def search(
    problem: QuadraticInstance,
    *,
    rounds: int = 20,
    seed: int = 0,
    start: IntArray | None = None,
    deadline: Deadline = NEVER,
) -> IntArray | None:
    """The best choice of iterated exchanges, or None where no start was found.

    Args:
        start: (L,) a feasible choice to begin with.
    """
    model = Model.of(problem)
    knapsack = problem.knapsack
    at = knapsack.positions(start) if start is not None else _start(model, deadline)
    if at is None:
        return None
    moves = _Moves(model)
    best = moves.descend(at, deadline)
    value = model.value(best)
    generator = np.random.default_rng(seed)
    light = knapsack.positions(lightest(knapsack))
    far = light if knapsack.is_feasible(light - knapsack.offsets[:-1]) else at
    for k in range(rounds):
        if deadline.passed:
            break
        # Every other start is far from the best choice.
        kicked = moves.kick(*((best, len(at) // 4 + 2) if k % 2 else (far, len(at))), generator)
        found = moves.descend(kicked, deadline)
        cost = model.value(found)
        if cost < value:
            best, value = found, cost
    return best - knapsack.offsets[:-1]


def _start(model: Model, deadline: Deadline) -> IntArray | None:
    knapsack = model.knapsack
    if knapsack.n_resources > 1:
        choice = repair(knapsack, lightest(knapsack), deadline)
        if choice is not None:
            return knapsack.positions(choice)
    try:
        answer = oracle(knapsack, model.cost, np.arange(knapsack.n_items), deadline)
    except TimeUp:
        return None
    return None if answer is None else answer[0]


def ranked(problem: QuadraticInstance, choice: IntArray, most: int) -> list[IntArray]:
    """Feasible choices that differ from one in one or two classes, those of least cost first.

    Args:
        problem: without ties.
        choice: (L,) a feasible choice.
        most: how many.

    Complexity: O(K n^2).
    """
    model = Model.of(problem)
    knapsack, owner = model.knapsack, model.owner
    at = knapsack.positions(choice)
    slope = model.cost + model.pairs[:, at].sum(axis=1)
    room = knapsack.capacity - knapsack.weight[:, at].sum(axis=1)
    both = np.vstack([changes(model, at, slope, room, span) for span in _spans(knapsack)])
    chosen = np.arange(len(owner)) == at[owner]
    both[chosen, :] = both[:, chosen] = np.inf
    both[(owner[:, None] == owner) & ~np.eye(len(owner), dtype=bool)] = np.inf
    first, second = np.triu_indices(len(owner))
    found = []
    for k in np.argsort(both[first, second], kind="stable")[:most].tolist():
        i, j = first[k], second[k]
        if np.isfinite(both[i, j]):
            changed = at.copy()
            changed[owner[i]], changed[owner[j]] = i, j
            found.append(np.asarray(changed - knapsack.offsets[:-1], dtype=np.int64))
    return found


def changes(
    model: Model, at: IntArray, slope: FloatArray, room: IntArray, rows: slice
) -> FloatArray:
    """(m, n) change of f by taking item i of one class and item j at once, inf where too heavy.

    Where j is of the same class the change is that of i alone.

    Args:
        at: (L,) items chosen.
        slope: (n,) cost + pairs[:, at], summed.
        room: (K,) residual capacity.
        rows: items of the class.
    """
    weight = model.knapsack.weight
    mine = at[model.owner]
    gain = slope - slope[mine]
    added = weight - weight[:, mine]
    shift = model.pairs[rows] - model.pairs[mine[rows.start]]
    both: FloatArray = gain[rows, None] + gain + shift - shift[:, mine]
    both[:, rows] = gain[rows, None]
    for extra, left in zip(added, room, strict=True):
        total = extra[rows, None] + extra
        total[:, rows] = extra[rows, None]
        both[total > left] = np.inf
    return both


def _spans(knapsack: Instance) -> list[slice]:
    """The items of each class."""
    return [slice(a, b) for a, b in pairwise(knapsack.offsets.tolist())]


class _Moves:
    """Exchanges on one model, whose weights are looked at as 64-bit integers."""

    def __init__(self, model: Model) -> None:
        self.model, self.knapsack = model, model.knapsack
        self.spans = _spans(model.knapsack)

    def descend(self, at: IntArray, deadline: Deadline = NEVER) -> IntArray:
        """A local optimum below a feasible choice.

        Each class in turn takes, alone or with an item of another class, what lowers the objective
        most; it ends when no class has moved.

        Complexity: O(K n^2) a pass over the classes.
        """
        model, knapsack = self.model, self.knapsack
        cost, pairs, weight, owner = model.cost, model.pairs, knapsack.weight, model.owner
        at = at.copy()
        slope = cost + pairs[:, at].sum(axis=1)
        room = knapsack.capacity - weight[:, at].sum(axis=1)
        least = 1e-12 * model.magnitude(at)
        still, k = 0, 0
        while still < len(at) and not deadline.passed:
            rows = self.spans[k]
            both = changes(model, at, slope, room, rows)
            i, j = divmod(int(np.argmin(both)), both.shape[1])
            if both[i, j] < -least:
                new = rows.start + i
                moves = [(k, new)] if owner[j] == k else [(k, new), (int(owner[j]), j)]
                for c, item in moves:
                    slope += pairs[:, item] - pairs[:, at[c]]
                    room = room - weight[:, item] + weight[:, at[c]]
                    at[c] = item
                still = 0
            else:
                still += 1
            k = (k + 1) % len(at)
        return at

    def kick(self, at: IntArray, count: int, generator: np.random.Generator) -> IntArray:
        """Another feasible choice: so many classes take other items at random, while they fit."""
        knapsack, at = self.knapsack, at.copy()
        room = knapsack.capacity - knapsack.weight[:, at].sum(axis=1)
        for k in generator.permutation(len(at))[:count].tolist():
            span = self.spans[k]
            added = knapsack.weight[:, span] - knapsack.weight[:, at[k], None]
            fits = np.flatnonzero((added <= room[:, None]).all(axis=0)) + span.start
            fits = fits[fits != at[k]]
            if fits.size:
                item = int(generator.choice(fits))
                room = room - knapsack.weight[:, item] + knapsack.weight[:, at[k]]
                at[k] = item
        return at


SOLVER = Exchange()
