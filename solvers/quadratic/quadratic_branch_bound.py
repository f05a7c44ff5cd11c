"""Branch and bound on a convex form of the semidefinite relaxation: exact."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, IntArray
from bitknap.problems.quadratic import QuadraticInstance

from ..base import Deadline, Limits, Method, Outcome, Status
from .convex import Atom, ConvexForm, Relaxed, minimise, plain_form
from .exchange import search
from .model import Model, conflicts
from .semidefinite import Semidefinite

STOPPED = "the limits ended the search before the proof"

TOLERANCE = 1e-10
"""A part is closed when nothing in it is better by more than this share of the terms' sum."""

MOST = 1 << 62
"""Nodes of a search without a limit."""


@dataclass(frozen=True)
class QuadraticBranchBound(Method):
    """Best-first search on the classes, bounded by convex quadratics over the knapsack's hull.

    At the root the semidefinite relaxation (`semidefinite.Semidefinite`) gives a convex form,
    which Frank-Wolfe minimises with the exact knapsack as oracle; items and pairs of items whose
    bounds exceed the best choice known are excluded, and the relaxation goes on without them. A
    node branches on the class whose item is least decided, one child per item. What the form
    has dropped beside the chosen items is linear in the child and counts again. A tree that does
    not end soon is given up for a tighter root, twice as long in the making.

    Args:
        rounds: rounds of the relaxation before the first tree; as many again before each other.
        steps: steps of alternating directions a round.
        nodes: nodes that a tree has per round before the root is tightened again.
    """

    rounds: int = 4
    steps: int = 300
    nodes: int = 50
    share: float = 0.4
    restarts: int = 20

    exact = True

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        """Exchange, relax, branch."""
        deadline = Deadline.after(limits.time)
        start = search(problem, rounds=self.restarts, deadline=deadline)
        tree = _Tree(problem, start, deadline, MOST if limits.states is None else limits.states)
        part = None if limits.time is None else self.share * limits.time
        tree.root()
        relaxation = tree.relaxation()
        stage = self.rounds
        while tree.open and not tree.stopped:
            better = tree.tighten(relaxation, stage, self.steps, Deadline.after(part))
            tree.explore(self.nodes * tree.rounds if better else tree.most)
            stage = tree.rounds
        return tree.outcome()


@dataclass(frozen=True, eq=False)
class _Node:
    """Choices of the allowed items; ``fixed`` are those chosen in classes with one item left."""

    bound: float
    allowed: NDArray[np.bool_]
    fixed: IntArray
    point: FloatArray
    atoms: list[Atom]


class _Tree:
    def __init__(
        self, problem: QuadraticInstance, start: IntArray | None, deadline: Deadline, most: int
    ) -> None:
        self.problem, self.deadline, self.most = problem, deadline, most
        self.model = Model.of(problem)
        self.items = np.arange(problem.knapsack.n_items)
        self.apart = conflicts(problem.knapsack)
        self.best: IntArray | None = None
        self.value, self.tolerance = np.inf, 0.0
        self.closed = np.inf
        """The least bound of a part that was closed; what is left is bounded by its nodes."""
        self.nodes = self.relaxed = self.rounds = 0
        self.order = itertools.count(1)
        if start is not None:
            self._offer(problem.knapsack.positions(start))

    def _offer(self, at: IntArray) -> None:
        """Take a choice of the model's items if it is the best so far."""
        if self.model.value(at) > self.value + self.tolerance:
            return
        choice = self.items[at] - self.problem.knapsack.offsets[:-1]
        terms = self.problem.terms(choice)
        value = math.fsum(terms)
        if value < self.value:
            self.best, self.value = choice, value
            self.tolerance = TOLERANCE * math.fsum(map(abs, terms))

    @property
    def cutoff(self) -> float:
        """The bound at which a part is closed."""
        return self.value - self.tolerance

    def root(self) -> None:
        """Bound the objective as it is given."""
        self.form = plain_form(self.model, self.problem.matrix)
        self._restart(self._bound(self.form, []))

    def relaxation(self) -> Semidefinite:
        """The semidefinite relaxation of what is left."""
        if np.isfinite(self.value):
            unit = max(abs(self.value), 0.01 * self.tolerance / TOLERANCE)
        else:
            unit = float(np.abs(self.model.cost).max())
        return Semidefinite(self.model, self.apart, unit or 1.0)

    def tighten(
        self, relaxation: Semidefinite, rounds: int, steps: int, deadline: Deadline
    ) -> bool:
        """Improve the convex form by some rounds; whether more would improve it again."""
        for _ in range(rounds):
            if self.top.bound >= self.cutoff or deadline.passed:
                return False
            gap = self.value - self.top.bound
            left = relaxation.run(steps, deadline)
            self.rounds += 1
            form = relaxation.form()
            top = self._bound(form, self.top.atoms)
            if top.bound > self.top.bound:
                self.form = form
                relaxation.keep(self._restart(top), self.apart)
            if left < 1e-5 or (self.rounds > 2 and self.value - self.top.bound > 0.99 * gap):
                return False
        return True

    def _bound(self, form: ConvexForm, atoms: list[Atom]) -> Relaxed:
        return self._relax(form, np.ones(len(self.items), dtype=bool), atoms, 0.02)

    def _restart(self, top: Relaxed) -> IntArray:
        """Begin the tree again from another bound of the root; the positions of the items kept."""
        self.top = top
        kept = self._exclude()
        every, none = np.ones(len(self.items), dtype=bool), np.empty(0, dtype=np.int64)
        root = _Node(self.top.bound, every, none, self.top.point, self.top.atoms)
        self.heap = [(root.bound, 0, root)]
        return kept

    def _relax(
        self, form: ConvexForm, allowed: NDArray[np.bool_], atoms: list[Atom], accuracy: float
    ) -> Relaxed:
        found = minimise(
            self.model, form, allowed, atoms, self.cutoff, accuracy=accuracy, deadline=self.deadline
        )
        self.relaxed += 1
        for at in found.found:
            self._offer(at)
        return found

    def _exclude(self) -> IntArray:
        """Drop the items that no better choice holds; the positions of those kept."""
        top, model, form = self.top, self.model, self.form
        single = top.lagrangian + top.reduced
        pairs = single[:, None] + top.reduced + form.dropped
        closed = (pairs >= self.cutoff) & ~self.apart
        np.fill_diagonal(closed, False)
        if closed.any():
            self.closed = min(self.closed, float(pairs[closed].min()))
        apart = self.apart | closed
        keep = single < self.cutoff
        if not keep.all():
            self.closed = min(self.closed, float(single[~keep].min()))
        starts = model.knapsack.offsets[:-1]
        while True:
            # An item needs a partner in every class; its own is the item itself.
            possible = np.maximum.reduceat(~apart & keep, starts, axis=1).all(axis=1)
            if not (keep & ~possible).any():
                break
            keep &= possible
        if not np.maximum.reduceat(keep, starts).all():
            # Nothing better than what is known is left: one part, closed.
            self.top = replace(top, bound=max(top.bound, min(self.closed, self.value)))
            return np.arange(len(self.items))
        kept = np.flatnonzero(keep)
        self.model, self.form = model.kept(kept), form.kept(kept)
        self.items, self.apart = self.items[kept], apart[np.ix_(kept, kept)]
        place = np.cumsum(keep) - 1
        atoms = [(place[at], weight) for at, weight in top.atoms if keep[at].all()]
        self.top = replace(top, atoms=atoms, point=top.point[kept], reduced=top.reduced[kept])
        return kept

    @property
    def open(self) -> bool:
        """Whether a better choice may be left."""
        return bool(self.heap) and self.heap[0][0] < self.cutoff

    @property
    def stopped(self) -> bool:
        """Whether a limit is met."""
        return self.deadline.passed or self.nodes >= self.most

    def explore(self, nodes: int) -> None:
        """Search best-first until nothing is open, so many nodes are done, or a limit is met."""
        nodes += self.nodes
        while self.open and self.nodes < nodes and not self.stopped:
            node = heapq.heappop(self.heap)[2]
            self.nodes += 1
            for child in self._children(node):
                if child.bound < self.cutoff:
                    heapq.heappush(self.heap, (child.bound, next(self.order), child))
                else:
                    self.closed = min(self.closed, child.bound)

    def _children(self, node: _Node) -> Iterator[_Node]:
        owner, classes = self.model.owner, len(self.model.knapsack)
        counts = np.bincount(owner[node.allowed], minlength=classes)
        spread = np.bincount(owner, node.point * (1.0 - node.point), minlength=classes)
        branch = int(np.argmax(np.where(counts > 1, spread, -1.0)))
        mine = owner == branch
        for j in np.flatnonzero(node.allowed & mine):
            allowed = node.allowed & ~mine
            allowed[j] = True
            fixed = self._propagate(allowed)
            if fixed is None:
                continue
            if len(fixed) == classes:
                if (self.model.knapsack.weight[:, fixed].sum(axis=1)
                    <= self.model.knapsack.capacity).all():  # fmt: skip
                    self._offer(fixed)
                    self.closed = min(self.closed, self.value)
                continue
            if self.deadline.passed:
                yield replace(node, allowed=allowed, fixed=fixed)
                continue
            form = self.form.beside(self.model.knapsack, fixed)
            found = self._relax(form, allowed, node.atoms, 0.1)
            keep = allowed & (found.lagrangian + found.reduced < self.cutoff)
            out = allowed & ~keep
            if out.any():
                self.closed = min(self.closed, float((found.lagrangian + found.reduced)[out].min()))
            if np.bincount(owner[keep], minlength=classes).all():
                yield _Node(max(found.bound, node.bound), keep, fixed, found.point, found.atoms)

    def _propagate(self, allowed: NDArray[np.bool_]) -> IntArray | None:
        """Exclude what is apart from classes' only items; those items, None where a class is empty.

        ``allowed`` is changed in place.
        """
        owner, classes = self.model.owner, len(self.model.knapsack)
        done = 0
        while True:
            counts = np.bincount(owner[allowed], minlength=classes)
            if not counts.all():
                return None
            fixed: IntArray = np.flatnonzero(allowed & (counts == 1)[owner])
            if len(fixed) == done:
                return fixed
            done = len(fixed)
            allowed &= ~self.apart[fixed].any(axis=0)

    def outcome(self) -> Outcome:
        """What was proven."""
        opened = self.heap[0][0] if self.heap else np.inf
        bound = min(self.closed, opened, self.value)
        stats: dict[str, float] = {
            "nodes": self.nodes,
            "relaxations": self.relaxed,
            "rounds": self.rounds,
            "items_left": len(self.items),
        }
        if np.isfinite(self.top.bound):
            stats["root_bound"] = self.top.bound
        if self.best is None:
            status = Status.INFEASIBLE if opened == np.inf else Status.NO_SOLUTION
            return Outcome(status, stats=stats, reason="" if opened == np.inf else STOPPED)
        proven = bound >= self.cutoff
        return Outcome(
            Status.OPTIMAL if proven else Status.FEASIBLE,
            self.best,
            bound=bound,
            objective=self.value,
            stats=stats,
            reason="" if proven else STOPPED,
        )


SOLVER = QuadraticBranchBound()
