"""The smallest plan whose measured damage stays below a limit, along exact frontiers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bitknap.problems.errors import DataError, InfeasibleError
from bitknap.problems.sizes import kilobytes
from bitknap.sensitivity import SensitivityTable
from bitknap.solvers.frontier import Frontier, frontier

from .measure import Measurer, Plan, error_of
from .measured import MeasuredPlan
from .search import candidate


def require_damage(limit: float) -> None:
    """Refuse a limit that is no positive number.

    Raises:
        DataError: it is none.
    """
    if not 0 < limit < math.inf:
        raise DataError(f"a damage must be a positive number such as 0.02, got {limit:g}")


def smallest_plan(
    table: SensitivityTable,
    limit: float,
    measure: Measurer,
    evaluations: int,
    time_limit: float | None = None,
) -> MeasuredPlan:
    """The smallest plan found whose mean damage is at most a limit on both halves of the data.

    The plans on a metric's exact frontier are its optimum at every size. Bisection over them finds
    the smallest one within the limit on the first half; where the second half does not confirm
    it, bisection goes on above it with both halves. The smallest plan of all metrics is returned.
    What is returned has been measured; that nothing smaller is within the limit presumes that
    damage falls with size along the frontier.

    Args:
        table: its metrics and ``size_bits``.
        limit: of the mean damage.
        measure: measures damages.
        evaluations: networks that may be run on half of the data, shared by the metrics.
        time_limit: seconds for each frontier.

    Raises:
        InfeasibleError: the largest plans are above the limit; names the least damage of these.
        LimitError: a frontier takes longer than that.
        DataError: the limit is no positive number.
    """
    require_damage(limit)
    measure.forget_asked()
    most = int(table.costs["size_bits"].sum())
    searches = []
    for metric in table.metrics:
        instance = table.to_instance(metric, {"size_bits": most}, name=metric)
        front = frontier(instance, time_limit=time_limit)
        searches.append(_Search(front, measure, limit))
    least, size = min((s.damage(s.last), int(s.front.usage[-1])) for s in searches)
    if least > limit:
        raise InfeasibleError(
            f"no plan's damage is at most {limit:g}: the largest one, of {kilobytes(size)}, "
            f"has {least:.4g}; allow more, or offer more bits"
        )
    able = [s for s in searches if s.damage(s.last) <= limit]
    found = [(s, s.smallest(evaluations // len(able))) for s in able]
    found.sort(key=lambda row: (int(row[0].front.usage[row[1]]), row[0].damage(row[1])))
    best, at = found[0]
    plan, damages = best.plan(at), measure.both(best.plan(at))
    rows = [
        candidate(s.front.instance.name, measure.both(s.plan(index)), damages) for s, index in found
    ]
    return MeasuredPlan(
        plan,
        best.front.instance.name,
        0,
        float(damages.mean()),
        error_of(damages),
        tuple(rows),
        measure.evaluations,
    )


@dataclass(frozen=True)
class _Search:
    """Bisection over one frontier."""

    front: Frontier
    measure: Measurer
    limit: float

    @property
    def last(self) -> int:
        return len(self.front) - 1

    def plan(self, i: int) -> Plan:
        return self.front.instance.by_label(self.front.choice(i))

    def damage(self, i: int) -> float:
        """The larger mean damage of the two halves."""
        return max(self._mean(i, 0), self._mean(i, 1))

    def smallest(self, evaluations: int) -> int:
        """The first point within the limit on both halves; the last one is."""
        most = self.measure.evaluations + evaluations
        at = self._first(0, lambda i: self._mean(i, 0) <= self.limit, most)
        if self.damage(at) > self.limit:
            at = self._first(at + 1, lambda i: self.damage(i) <= self.limit, most)
        return at

    def _first(self, low: int, within: Callable[[int], bool], most: int) -> int:
        high = self.last
        while low < high and self.measure.evaluations < most:
            middle = (low + high) // 2
            low, high = (low, middle) if within(middle) else (middle + 1, high)
        return high

    def _mean(self, i: int, half: int) -> float:
        return float(self.measure(self.plan(i), half).mean())
