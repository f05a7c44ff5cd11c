"""``top_k``: the k best allocations."""

from __future__ import annotations

from bitknap.problems import Instance, UnsupportedError

from ..base import Solver, limited
from .lawler import lawler
from .space import Allocation, Space
from .tree import ranked_by_tree


def top_k(
    instance: Instance, k: int, solver: str | Solver | None = None, time_limit: float | None = None
) -> list[Allocation]:
    """The k feasible choices of least cost, best first; fewer when there are no more.

    With one resource, dynamic programming gives the exact best completion of every partial
    choice, and the partial choices are extended in the order of it (``ranked_by_tree``). With
    several, or when that needs too many states, or when a solver is named, Lawler's partition
    solves one instance per piece (``lawler``). Both compare costs exactly.

    Args:
        solver: an exact method that supports the instance, to be used throughout; None lets the
            number of resources and states decide.

    Returns:
        Distinct choices; those of equal cost come in the same order on every run.

    Raises:
        InfeasibleError: no choice fits the capacity.
        UnsupportedError: k is below 1, or the solver cannot handle the instance.
        SolverError: the solver ended without a proven optimum.
        LimitError: the time limit was met before the ranking was there.

    Example:
        >>> from bitknap.problems import build_instance
        >>> instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
        >>> [(a.choice.tolist(), a.objective) for a in top_k(instance, 2)]
        [([0, 1], 4.0), ([1, 0], 6.0)]
    """
    if k < 1:
        raise UnsupportedError(f"k must be at least 1, got {k}")
    unfinished = f"the {k} best choices of {instance.name!r} were not found"
    with limited(time_limit, unfinished, "allow more or ask for fewer") as deadline:
        space = Space(instance, solver, deadline)
        if solver is None and instance.n_resources == 1:
            found = ranked_by_tree(space, k)
            if found is not None:
                return found
        return lawler(space, k)
