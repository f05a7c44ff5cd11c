"""A genetic algorithm, a baseline: tournaments, uniform crossover, feasible before cheap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from ..base import Deadline, Limits, Method, Outcome, Status
from ..local import improve, lightest, repair

Population = IntArray
"""(P, L) item positions in the instance's arrays."""


@dataclass(frozen=True)
class Evolutionary(Method):
    """Populations of choices under selection, crossover and mutation.

    Of two choices the one with less excess over the capacities wins, among equals the cheaper
    (Deb's rule). Parents win tournaments of two; a child takes each class from either parent and
    changes it with probability 1/L; parents and children compete for the next generation. The
    first population mixes the lightest choice, repaired and improved by single moves, with random
    ones; the winner is improved again.

    References:
        K. Deb, Computer Methods in Applied Mechanics and Engineering 186 (2000), 311-338.
    """

    population: int = 100
    generations: int = 300
    seed: int = 0

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Evolve, then repair and improve the best choice."""
        deadline = Deadline.after(limits.time)
        most = self.generations if limits.states is None else min(self.generations, limits.states)
        rng = np.random.default_rng(self.seed)
        people = self._first(instance, rng, deadline)
        excess, cost = _fitness(instance, people)
        done = 0
        while done < most and not deadline.passed:
            children = self._children(instance, people, excess, cost, rng)
            child_excess, child_cost = _fitness(instance, children)
            people = np.concatenate((people, children))
            excess = np.concatenate((excess, child_excess))
            cost = np.concatenate((cost, child_cost))
            best = np.lexsort((cost, excess))[: self.population]
            people, excess, cost = people[best], excess[best], cost[best]
            done += 1
        winner = people[np.lexsort((cost, excess))[0]] - instance.offsets[:-1]
        choice = repair(instance, winner, deadline)
        if choice is None:
            return Outcome(Status.NO_SOLUTION, stats={"generations": done})
        return Outcome(
            Status.FEASIBLE, improve(instance, choice, deadline), stats={"generations": done}
        )

    def _first(
        self, instance: Instance, rng: np.random.Generator, deadline: Deadline
    ) -> Population:
        light = lightest(instance)
        start = repair(instance, light, deadline)
        base = instance.positions(light if start is None else improve(instance, start, deadline))
        people = _random(instance, rng, self.population)
        mixed = rng.random(people.shape) < rng.random((self.population, 1))
        mixed[0] = False
        return np.where(mixed, people, base)

    def _children(
        self,
        instance: Instance,
        people: Population,
        excess: FloatArray,
        cost: FloatArray,
        rng: np.random.Generator,
    ) -> Population:
        rank = np.empty(self.population, dtype=np.int64)
        rank[np.lexsort((cost, excess))] = np.arange(self.population)
        drawn = rng.integers(0, self.population, (2, 2, self.population))
        parents = np.where(rank[drawn[0]] < rank[drawn[1]], drawn[0], drawn[1])
        shape = (self.population, len(instance))
        children = np.where(rng.random(shape) < 0.5, people[parents[0]], people[parents[1]])
        mutated = rng.random(shape) < 1.0 / len(instance)
        return np.where(mutated, _random(instance, rng, self.population), children)


def _random(instance: Instance, rng: np.random.Generator, count: int) -> Population:
    draws = rng.random((count, len(instance))) * instance.sizes
    return instance.offsets[:-1] + draws.astype(np.int64)


def _fitness(instance: Instance, people: Population) -> tuple[FloatArray, FloatArray]:
    """(P,) excess over the capacities, as shares of the residual ones, and (P,) cost."""
    usage = instance.weight[:, people].sum(axis=2)
    residual = np.maximum(instance.capacity - instance.min_usage, 1)
    excess = np.maximum(usage - instance.capacity[:, None], 0) / residual[:, None]
    return excess.sum(axis=0), instance.cost[people].sum(axis=1)


SOLVER = Evolutionary()
