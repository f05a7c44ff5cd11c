"""Single-item moves on a choice: make it feasible, then improve it."""

from __future__ import annotations

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from .base import NEVER, Deadline
from .dual import cheapest

# Numbers that the moves of one call may touch.
_TOUCHED = 100_000_000


def lightest(instance: Instance) -> IntArray:
    """In each class the item whose largest share of the residual capacity is least.

    For one resource it is the lightest choice, hence feasible.
    """
    return cheapest(instance, _shares(instance).max(axis=0))


def _shares(instance: Instance) -> FloatArray:
    """(K, n) weights above the lightest of the class, as shares of the residual capacity."""
    residual = np.maximum(instance.capacity - instance.min_usage, 1)
    shares: FloatArray = instance.above_lightest / residual[:, None]
    return shares


def _moves(instance: Instance) -> int:
    return max(8, _TOUCHED // instance.weight.size)


def repair(instance: Instance, choice: IntArray, deadline: Deadline = NEVER) -> IntArray | None:
    """A feasible choice near the given one, or None where single moves do not reach one in time.

    Each move replaces one item; it lowers the total excess over the capacities, measured in
    rooms above the lightest usages, and costs the least per unit of excess removed.

    Complexity: O(K n) per move, at most 4 L moves, or as many as touch 10^8 numbers (at least 8).
    """
    scale = 1.0 / np.maximum(instance.capacity - instance.min_usage, 1)[:, None]
    at = instance.positions(choice)
    for _ in range(min(4 * len(instance) + 1, _moves(instance))):
        excess = instance.weight[:, at].sum(axis=1) - instance.capacity
        if (excess <= 0).all():
            repaired: IntArray = at - instance.offsets[:-1]
            return repaired
        if deadline.passed:
            return None
        mine = at[instance.class_of]
        after = excess[:, None] + instance.weight - instance.weight[:, mine]
        now = float((np.maximum(excess, 0)[:, None] * scale).sum())
        removed = now - (np.maximum(after, 0) * scale).sum(axis=0)
        helps = np.flatnonzero(removed > 1e-12 * now)
        if not helps.size:
            return None
        with np.errstate(over="ignore"):
            price = (instance.cost[helps] - instance.cost[mine[helps]]) / removed[helps]
        j = int(helps[np.argmin(price)])
        at[instance.class_of[j]] = j
    return None


def improve(instance: Instance, choice: IntArray, deadline: Deadline = NEVER) -> IntArray:
    """Replace single items while that fits and lowers the cost.

    The largest fall per share of the residual capacity goes first; exchanges that take up no
    capacity go before all others.

    Complexity: O(K n) per move; as many moves as touch 10^8 numbers, and at least eight.
    """
    at = instance.positions(choice)
    scale = 1.0 / np.maximum(instance.capacity - instance.min_usage, 1)
    for _ in range(_moves(instance)):
        residual = instance.capacity - instance.weight[:, at].sum(axis=1)
        mine = at[instance.class_of]
        added = instance.weight - instance.weight[:, mine]
        with np.errstate(over="ignore"):
            fall = instance.cost[mine] - instance.cost
        good = np.flatnonzero((added <= residual[:, None]).all(axis=0) & (fall > 0.0))
        if not good.size or deadline.passed:
            break
        share = scale @ np.maximum(added[:, good], 0)
        with np.errstate(over="ignore"):
            ratio = fall[good] / np.maximum(share, 1e-18)
        j = int(good[np.argmax(ratio)])
        at[instance.class_of[j]] = j
    improved: IntArray = at - instance.offsets[:-1]
    return improved
