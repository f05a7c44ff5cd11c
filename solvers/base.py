"""The interface of all solvers, and their answers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, ClassVar, Protocol

from bitknap.problems import FloatArray, Instance, IntArray, LimitError

FORMAT = "bitknap.solution/1"


class Status(StrEnum):
    """How a solve ended; ``sentence`` says it in words."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"
    UNSUPPORTED = "unsupported"
    CRASHED = "crashed"

    @property
    def sentence(self) -> str:
        """The status as one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OPTIMAL: "The choice is feasible and proven to be the best.",
    Status.FEASIBLE: "The choice is feasible, but not proven to be the best.",
    Status.INFEASIBLE: "No choice fits the capacity.",
    Status.NO_SOLUTION: "The solver ended without a feasible choice.",
    Status.UNSUPPORTED: "The solver cannot handle this instance.",
    Status.CRASHED: "The solver failed before it answered.",
}


class Tier(StrEnum):
    """How a back-end is set up."""

    DEFAULT = "default"
    """As its manual says: the package's own tolerances, costs as they are."""
    ZERO_GAP = "zero gap"
    """Costs as they are, and every gap that can be set is 0."""
    STRICT = "strict"
    """Gaps of 0, costs scaled, and solved again on what is left."""


@dataclass(frozen=True)
class Limits:
    """What a solve may spend.

    Args:
        time: seconds of wall time, or None.
        states: number of search states or nodes, or None.
        threads: threads per back-end may use.
    """

    time: float | None = None
    states: int | None = None
    threads: int = 1


class TimeUp(Exception):
    """A deadline has passed."""


@dataclass(frozen=True)
class Deadline:
    """A moment of ``time.perf_counter``, or never (inf)."""

    at: float = math.inf

    @staticmethod
    def after(seconds: float | None) -> Deadline:
        """So many seconds from now; None for never."""
        return NEVER if seconds is None else Deadline(time.perf_counter() + seconds)

    @property
    def left(self) -> float:
        """Seconds until then, not below 0."""
        return max(self.at - time.perf_counter(), 0.0)

    @property
    def limit(self) -> float | None:
        """The same as a time limit; None for never."""
        return None if self.at == math.inf else self.left

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.perf_counter() >= self.at

    def check(self) -> None:
        """Raise :class:`TimeUp` when it is over."""
        if self.passed:
            raise TimeUp


NEVER = Deadline()


@contextmanager
def limited(seconds: float | None, unfinished: str, remedy: str) -> Iterator[Deadline]:
    """A deadline for work that gives nothing when it is met.

    Args:
        unfinished: what was not done by then.

    Raises:
        LimitError: it was met.
    """
    try:
        yield Deadline.after(seconds)
    except TimeUp:
        raise LimitError(f"{unfinished} within {seconds:g} s; {remedy}") from None


@dataclass(frozen=True)
class Outcome:
    """What a solver claims; the referee recomputes it.

    Args:
        status: OPTIMAL only when proven at zero gap.
        choice: (L,) item positions within the classes, or None.
        bound: a number that no feasible choice's cost is below, or None. An OPTIMAL claim
            needs none: its bound is its objective.
        objective: the cost the solver believes its choice has, or None; checked when given.
        multiplier: (K,) prices of the resources (cost per unit) of a dual bound, or None.
    """

    status: Status
    choice: IntArray | None = None
    bound: float | None = None
    objective: float | None = None
    multiplier: FloatArray | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


class Solver(Protocol):
    """A method: a frozen dataclass whose fields are its parameters.

    Every file of ``solvers/methods`` defines one as ``SOLVER``; its name is the file's stem.
    """

    exact: ClassVar[bool]
    """Whether it proves optimality when no limit stops it."""
    requires: ClassVar[tuple[str, ...]]
    """Importable packages it needs."""

    # ``warm_up(instance)``, where a solver has it, loads what a solve would, outside its time.

    def supports(self, instance: Instance) -> str | None:
        """Why the solver cannot handle an instance, or None when it can."""
        ...

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Solve an instance without ties whose every capacity admits the lightest choice."""
        ...


class Method:
    """A heuristic for every instance that needs no other package, unless it says otherwise."""

    exact: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance: Any) -> str | None:
        """None."""
        return None


class BackEnd(Method):
    """A method that calls a module of another package."""

    module: ClassVar[str]
    """Imported before the clock starts."""

    def warm_up(self, instance: Any) -> None:
        """Import the module."""
        import_module(self.module)


class OneResource(Method):
    """A method that handles instances with one resource."""

    def supports(self, instance: Any) -> str | None:
        """Why not, with several resources."""
        one = instance.n_resources == 1
        return None if one else f"it handles one resource, not {instance.n_resources}"


@dataclass(frozen=True, eq=False)
class Solution:
    """An answer as the referee recomputed it from the instance.

    Args:
        choice: (L,) item positions within the classes of ``instance``, or None.
        objective: correctly rounded cost of ``choice``, or None.
        bound: proven lower bound of the optimum, or None; equals ``objective`` when optimal.
        usage: (K,) exact usage of each resource, or None.
        seconds: wall time of the method, without imports, merged ties and the referee.
        message: one sentence for a person; what stopped a proof, where one was stopped.
        multiplier: (K,) prices of the resources, or None.
    """

    status: Status
    solver: str
    instance: Instance
    choice: IntArray | None = None
    objective: float | None = None
    bound: float | None = None
    usage: IntArray | None = None
    seconds: float = 0.0
    message: str = ""
    multiplier: FloatArray | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """(objective - bound) / |objective|; 0 when equal, inf when the objective is 0."""
        if self.objective is None or self.bound is None:
            return None
        return relative_gap(self.objective, self.bound)

    @property
    def labels(self) -> dict[str, str] | None:
        """Class name -> label of the chosen item, or None."""
        return None if self.choice is None else self.instance.by_label(self.choice)

    def to_dict(self) -> dict[str, Any]:
        """The solution as the JSON object ``bitknap.solution/1``."""
        names = self.instance.resources
        return {
            "format": FORMAT,
            "instance": self.instance.name,
            "solver": self.solver,
            "status": self.status.value,
            "message": self.message or self.status.sentence,
            "objective": self.objective,
            "bound": self.bound,
            "gap": None if self.gap is None or math.isinf(self.gap) else self.gap,
            "choice": self.labels,
            "usage": _named(names, self.usage),
            "capacity": _named(names, self.instance.capacity),
            "multiplier": _named(names, self.multiplier),
            "seconds": self.seconds,
            "stats": {k: getattr(v, "item", lambda v=v: v)() for k, v in self.stats.items()},
        }


def _named(names: tuple[str, ...], values: Any) -> dict[str, Any] | None:
    return None if values is None else dict(zip(names, values.tolist(), strict=True))


def relative_gap(objective: float, reference: float) -> float:
    """(objective - reference) / |objective|: 0 when equal, inf when only the objective is 0."""
    if objective == reference:
        return 0.0
    return (objective - reference) / abs(objective) if objective else math.inf
