"""The frontier: every budget's best choice, from one solve."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import (
    FloatArray,
    InfeasibleError,
    Instance,
    IntArray,
    MergedInstance,
    UnsupportedError,
    fitting,
    lower_hull,
    merge_ties,
)

from ..base import Deadline, limited
from ..excess import falls
from .convex import ConvexFrontier, convex_part
from .lists import Points, undominated_points
from .sums import objectives, running_objectives

MAX_STATES = 20_000_000
"""States to keep by default, over all classes: 6 bytes each, under a minute."""

_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Frontier:
    """The undominated (usage, objective) points of an instance with one resource.

    No choice has at most the usage and less than the objective of a point, or less usage and at
    most its objective, in correctly rounded float64. Between two points the best choice is that
    of the lower usage.

    Args:
        usage: (m,) int64, strictly increasing.
        objective: (m,) correctly rounded, strictly decreasing.
        exact: whether these are all points of the range.
        tolerance: 0 when exact. Else, with f_min the sum of the cheapest items, every undominated
            (u, f) has a point (u', f') here with u' <= u and
            f' - f_min <= (1 + tolerance) (f - f_min). The points on the convex hull are exact
            in any case.
        states: partial choices kept in the search.
    """

    instance: Instance
    usage: IntArray
    objective: FloatArray
    exact: bool
    tolerance: float
    lowest: int
    highest: int
    states: int
    _merged: MergedInstance = field(repr=False)
    _convex: ConvexFrontier = field(repr=False)
    _points: Points = field(repr=False)
    _source: IntArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.usage)

    def choice(self, i: int) -> IntArray:
        """(L,) item positions within the classes of the i-th point."""
        source = int(self._source[i])
        if source < 0:
            chosen = self._convex.choice(-1 - source)
        else:
            chosen = self._points.choices(np.array([source]))[0]
        return self._merged.expand(chosen)

    def index(self, budget: int) -> int:
        """Position of the best point within a budget.

        Raises:
            InfeasibleError: the budget is below the range.
            UnsupportedError: the budget is above a range that ends before the largest usage.
        """
        if budget < self.lowest:
            raise InfeasibleError(
                f"no point of {self.instance.name!r} is within the budget {budget}; "
                f"the frontier starts at {self.lowest}"
            )
        if budget > self.highest and self.highest < self._convex.largest:
            raise UnsupportedError(
                f"the frontier of {self.instance.name!r} was asked for up to the budget "
                f"{self.highest}, not up to {budget}"
            )
        return int(np.searchsorted(self.usage, budget, side="right")) - 1

    def at(self, budget: int) -> IntArray:
        """(L,) the best choice within a budget: optimal when ``exact``.

        Raises:
            InfeasibleError, UnsupportedError: as ``index``.
        """
        return self.choice(self.index(budget))

    def shadow_price(self, budget: int) -> float:
        """What one more unit of budget saves in the linear relaxation, in cost per unit.

        It is the multiplier lambda that maximises the dual bound, the slope of the convex hull
        of the whole frontier to the right of the budget; 0 where more does not help.

        Raises:
            InfeasibleError: the budget is below the smallest usage.
        """
        if budget < self._convex.smallest:
            raise InfeasibleError(
                f"no choice of {self.instance.name!r} is within the budget {budget}; "
                f"the smallest usage is {self._convex.smallest}"
            )
        return self._convex.price_at(budget)

    @cached_property
    def supported(self) -> NDArray[np.bool_]:
        """(m,) mask of the corners of the convex hull: optimal at some price of the resource."""
        mask = np.zeros(len(self), dtype=bool)
        mask[lower_hull(self.objective, self.usage)] = True
        return mask

    def knees(self, k: int = 1) -> list[int]:
        """Positions of up to k knees, in the order of usage.

        Points are drawn with usage, and the logarithm of the objective (the objective itself
        where it is not positive), each scaled to [0, 1]. The first knee is the point farthest
        below the chord between the ends: Kneedle's definition without smoothing. It divides the
        curve in two; the next knee is the point farthest below the chord of its own part, and
        so on.

        References:
            V. Satopaa et al., Finding a "Kneedle" in a Haystack, ICDCS Workshops 2011, 166-171.
            D. Douglas, T. Peucker, Cartographica 10 (1973) 112-122 (the division).
        """
        y = np.log(self.objective) if self.objective[-1] > 0.0 else self.objective
        x = _scaled(self.usage.astype(np.float64))
        y = _scaled(y)
        found: list[int] = []
        parts = [(*_farthest(x, y, 0, len(self) - 1), 0, len(self) - 1)]
        while parts and len(found) < k:
            depth, at, a, b = max(parts)
            if depth <= _FLAT:
                break
            parts.remove((depth, at, a, b))
            bisect.insort(found, at)
            parts += [(*_farthest(x, y, a, at), a, at), (*_farthest(x, y, at, b), at, b)]
        return found


def _scaled(values: FloatArray) -> FloatArray:
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0.0 else np.zeros_like(values)


def _farthest(x: FloatArray, y: FloatArray, a: int, b: int) -> tuple[float, int]:
    """Depth and position of the point farthest below the chord from a to b."""
    if b - a < 2:
        return 0.0, a
    run, rise = x[b] - x[a], y[b] - y[a]
    depth = (rise * (x[a:b] - x[a]) - run * (y[a:b] - y[a])) / np.hypot(run, rise)
    at = int(depth.argmax())
    return float(depth[at]), a + at


def frontier(
    instance: Instance,
    *,
    lowest: int | None = None,
    highest: int | None = None,
    max_states: int = MAX_STATES,
    tolerance: float = 0.0,
    time_limit: float | None = None,
) -> Frontier:
    """All undominated (usage, objective) points of an instance with one resource.

    Dynamic programming over lists of undominated partial choices, whose costs are exact integers.
    The objectives are correctly rounded; of points that are equal in float64 one stays.
    When the lists outgrow
    ``max_states`` they are trimmed, and the result says so: ``exact`` is False and ``tolerance``
    is a proven guarantee. All break points of the linear relaxation are added then, so that the
    convex part stays exact.

    Args:
        instance: one resource; ties are kept. Its capacity does not matter.
        lowest: smallest budget of interest; None for the smallest usage.
        highest: largest budget of interest; None for the largest useful one.
        tolerance: 0 for the exact frontier, else trim from the start to this guarantee.

    Returns:
        The frontier; its first point is the best within ``lowest``.

    Raises:
        UnsupportedError: more than one resource, or the range is empty.
        InfeasibleError: ``highest`` is below the smallest usage.
        LimitError: the time limit was met before the frontier was there.
        InstanceError: tied classes have no label in common.

    Example:
        >>> from bitknap.problems import build_instance
        >>> f = frontier(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4))
        >>> f.usage.tolist(), f.objective.tolist()
        ([2, 3, 4, 5], [8.0, 6.0, 4.0, 2.0])
    """
    if instance.n_resources != 1:
        raise UnsupportedError(
            f"a frontier needs one resource, {instance.name!r} has {instance.n_resources} "
            f"({', '.join(instance.resources)}); make the instance with one of these limits alone"
        )
    if not tolerance >= 0.0:
        raise UnsupportedError(f"the tolerance must not be negative, got {tolerance}")
    unfinished = f"the frontier of {instance.name!r} was not finished"
    remedy = "allow more time, a tolerance, fewer states, or ask for a narrower range of budgets"
    with limited(time_limit, unfinished, remedy) as deadline:
        merged = merge_ties(instance)
        small = merged.instance
        convex = convex_part(small, np.ones(small.n_items, dtype=bool), deadline)
        low, high = _range(instance, convex, lowest, highest)
        useful = fitting(small, np.array([high]))
        inner = convex if useful.all() else convex_part(small, useful, deadline)
        points = undominated_points(small, inner, low, high, max_states, tolerance, deadline)
        return _assembled(instance, merged, convex, points, (low, high), deadline)


def _range(
    instance: Instance, convex: ConvexFrontier, lowest: int | None, highest: int | None
) -> tuple[int, int]:
    low = convex.smallest if lowest is None else max(lowest, convex.smallest)
    high = convex.largest if highest is None else highest
    if high < convex.smallest:
        raise InfeasibleError(
            f"no choice of {instance.name!r} is within the budget {high}; "
            f"the smallest usage is {convex.smallest}"
        )
    if high < low and (lowest is not None and highest is not None):
        raise UnsupportedError(f"the budgets from {lowest} to {highest} are an empty range")
    return low, max(high, low)


def _assembled(
    instance: Instance,
    merged: MergedInstance,
    convex: ConvexFrontier,
    points: Points,
    span: tuple[int, int],
    deadline: Deadline,
) -> Frontier:
    """The points of the range, and when the lists were trimmed the break points of the hull."""
    source = np.arange(len(points.weight))
    usage = points.weight
    objective = objectives(instance, merged, points, deadline)
    if points.tolerance > 0.0:
        steps = np.flatnonzero(convex.usage <= span[1])
        source = np.concatenate((source, -1 - steps))
        usage = np.concatenate((usage, convex.usage[steps]))
        objective = np.concatenate((objective, running_objectives(instance, merged, convex)[steps]))
    order = np.lexsort((objective, usage))
    usage, objective, source = usage[order], objective[order], source[order]
    within = np.flatnonzero(falls(objective))
    start = max(int(np.searchsorted(usage[within], span[0], side="right")) - 1, 0)
    within = within[start:]
    return Frontier(
        instance,
        usage[within],
        objective[within],
        points.tolerance == 0.0,
        points.tolerance,
        *span,
        points.states,
        merged,
        convex,
        points,
        source[within],
    )
