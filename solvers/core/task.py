"""What a kernel is asked."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Infeasible", "Task"]


NONE = np.empty(0, dtype=np.int64)
NONE.flags.writeable = False


class Infeasible(Exception):
    """The lightest items do not fit."""


class Task(NamedTuple):
    """An instance, what may be spent, and what is known.

    Attributes
    ----------
    offsets, cost, weight, capacity
        The instance.
    deadline
        ``time.perf_counter()`` at which to stop, or ``None``.
    state_limit
        States made at which to stop, or ``None``.
    rival
        Items of a known choice that the answer must be no dearer than, shape (L,), or empty. It
        need not obey ``fixed``.
    fixed
        Items that their classes must take.
    may_branch
        Whether the kernel may answer with a class to branch on.
    hold
        The kernel shall not search when the bound less the rival's cost is above this.
    scale
        The costs are ``2**scale`` times the given ones.
    """

    offsets: NDArray[np.int64]
    cost: NDArray[np.float64]
    weight: NDArray[np.int64]
    capacity: int
    deadline: float | None = None
    state_limit: int | None = None
    rival: NDArray[np.int64] = NONE
    fixed: NDArray[np.int64] = NONE
    may_branch: bool = False
    hold: float = math.inf
    scale: int = 0
