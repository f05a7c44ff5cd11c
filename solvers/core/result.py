"""What the core solver hands back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Branch", "CoreResult", "Found", "change"]


@dataclass(frozen=True)
class Branch:
    """A class to be fixed to each of its items in turn.

    Attributes
    ----------
    cls
        The class.
    floor
        Lower bound on the cost of a solution with each of its items, relative to the break
        solution.
    """

    cls: int
    floor: NDArray[np.float64]


class Found(NamedTuple):
    """What a kernel found.

    Attributes
    ----------
    base
        Items of the break solution (indices into the instance), shape (L,).
    item
        Items of the best choice, shape (L,).
    multiplier
        Slope of the break step.
    relaxed
        Lower bound of the linear relaxation, relative to the break solution.
    open_bound
        Lower bound on what was not searched, likewise; ``None`` when all was.
    stats
        Counts.
    branch
        Where to branch instead of searching; ``None`` when there was a search.
    held
        Whether it did not search: see :class:`.task.Task`.
    choice
        Positions of ``item`` within the classes; ``None`` where they are yet to be found.
    objective
        Correctly rounded cost of ``item`` in the costs given; likewise.
    change
        :func:`change` from ``base`` to ``item``; likewise.
    """

    base: NDArray[np.int64]
    item: NDArray[np.int64]
    multiplier: float
    relaxed: float
    open_bound: float | None
    stats: dict[str, float | int | str]
    branch: Branch | None = None
    held: bool = False
    choice: NDArray[np.int64] | None = None
    objective: float | None = None
    change: tuple[float, float] | None = None


def change(
    cost: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[float, float]:
    """Cost of one choice less that of another, and the sum of the differences' absolute values."""
    at = np.flatnonzero(start != end)
    terms = cost[end[at]] - cost[start[at]]
    return math.fsum(terms.tolist()), float(np.abs(terms).sum())


class CoreResult(NamedTuple):
    """Answer of :func:`bitknap.solvers.core.solve_core`.

    Attributes
    ----------
    status
        ``"optimal"`` (proven), ``"feasible"`` (a limit stopped the proof) or ``"infeasible"``
        (even the lightest items do not fit).
    choice
        Position of the chosen item within each class, shape (L,); ``None`` when infeasible.
    objective
        Cost of ``choice``, ``math.fsum`` of its items; ``inf`` when infeasible.
    bound
        A true lower bound on the optimum; equals ``objective`` when optimal.
    multiplier
        Lagrange multiplier of the capacity at the break item of the linear relaxation, in cost
        per unit of weight, >= 0; 0 when the capacity does not bind.
    stats
        What the search did: see :func:`bitknap.solvers.core.solve_core`.
    """

    status: str
    choice: NDArray[np.int64] | None
    objective: float
    bound: float
    multiplier: float
    stats: dict[str, float | int | str]

    @property
    def optimal(self) -> bool:
        """Whether the choice is proven optimal."""
        return self.status == "optimal"
