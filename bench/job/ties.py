"""What ties cost: the optimum with and without each; and ties found in a workload's network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bitknap.problems import DataError
from bitknap.sensitivity import SensitivityTable, Tie, ties_from_graph
from bitknap.sensitivity.policy.ties import united
from bitknap.solvers.base import NEVER, Deadline

from ..confidence.bootstrap import optimum

if TYPE_CHECKING:
    from bitknap.sensitivity import Graph

    from ..workloads.base import Workload

TRACED_SAMPLES = 2
"""Samples of the traced batch: more than one, so that the samples' dimension is not a constant."""


@dataclass(frozen=True)
class PricedTie:
    """A tie and what it costs in predicted loss.

    Args:
        alone: optimum under this tie only, minus the optimum without ties.
        beside: optimum under all ties, minus the optimum under all others.
    """

    tie: Tie
    alone: float
    beside: float


@dataclass(frozen=True)
class Prices:
    """Prices of all ties of a table at one budget.

    Args:
        free: predicted loss of the optimum without ties.
        tied: the same under all ties.
    """

    free: float
    tied: float
    ties: tuple[PricedTie, ...]


def price_ties(
    table: SensitivityTable,
    metric: str,
    budget: int | Mapping[str, int],
    deadline: Deadline = NEVER,
) -> Prices:
    """Solve with and without each tie, exactly; 2 T + 2 instances for T ties.

    Args:
        table: with its ties.
        metric: a metric of the table.
        budget: size in bits, or limits by resource.
        deadline: of all solves.

    Raises:
        InfeasibleError: no plan keeps the budget and the ties.
        TimeUp: the deadline is met.
    """

    def loss(ties: Sequence[Tie]) -> float:
        deadline.check()
        tied = replace(table, ties=tuple(ties))
        return optimum(tied.to_instance(metric, budget), deadline)[1]

    free, tied = loss(()), loss(table.ties)
    priced = [
        PricedTie(
            tie,
            alone=max(loss((tie,)) - free, 0.0),
            beside=max(tied - loss([other for other in table.ties if other != tie]), 0.0),
        )
        for tie in table.ties
    ]
    return Prices(free, tied, tuple(priced))


def trace_workload(table: SensitivityTable, workload: Workload) -> Graph:
    """The graph of a workload's network, with the table's layers.

    Raises:
        DataError: the network lacks a layer of the table.
        UnsupportedError: it cannot be traced.
    """
    from bitknap.sensitivity import trace

    known = {name for name, _ in workload.model.named_parameters(remove_duplicate=False)}
    for layer in table.layers:
        if layer.parameter not in known:
            raise DataError(
                f"workload {workload.name} has no parameter {layer.parameter!r}, which the table "
                "names; was the table made from another network?"
            )
    batch = workload.calibration(TRACED_SAMPLES, 0)[0]
    return trace(workload.model, batch, table.layers, workload.forward)


def with_found_ties(
    table: SensitivityTable, graph: Graph, kinds: Sequence[str]
) -> SensitivityTable:
    """The table with the ties of some kinds that its network's graph has, beside its own."""
    ties = [*table.ties, *ties_from_graph(graph, kinds)]
    return replace(table, ties=united(ties, [layer.name for layer in table.layers]))
