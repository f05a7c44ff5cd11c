"""The allocations that the paper's tables and figures compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bitknap.plans.budgets import parse_budget
from bitknap.problems import Instance
from bitknap.solvers import solve

from ..confidence.bootstrap import optimum
from ..job.metric_comparison import Tables
from ..job.random_plan import random_choice
from .scale import Scale

METHODS = {
    "uniform": "uniform",
    "random": "random",
    "weight_mse": "weight MSE",
    "hawq_v2": "HAWQ-V2",
    "kl": "ZeroQ KL",
    "loss": "measured loss",
    "output_fisher": "output Fisher",
    "greedy": "MPQCO, its greedy",
    "fisher": "MPQCO, exact",
}
"""Methods of Table 1 and what they are called in it."""

ORDERS = {
    "greedy": "smallest first (the greedy)",
    "greedy_random": "random",
    "greedy_reversed": "largest first",
}
"""Solvers of Figure 2, run on the paper's criterion."""


@dataclass(frozen=True)
class PaperPlan:
    """An allocation and where it comes from.

    Args:
        method: a key of `METHODS` or `ORDERS`, or ``first_order``.
        rate: compression of float32 weights, scales not counted.
        allocation: layer -> bits, as the table labels them.
    """

    method: str
    rate: str
    seed: int
    allocation: Mapping[str, str]
    tuned: bool

    @property
    def compared(self) -> bool:
        """Whether it stands in Table 1."""
        return self.method in METHODS


def methods_of(scale: Scale) -> dict[str, str]:
    """The methods of `METHODS` whose metric is among those of the scale."""
    free = ("uniform", "random", "greedy")
    return {name: title for name, title in METHODS.items() if name in (*free, *scale.samples)}


def make_plans(network: str, tables: Tables, scale: Scale) -> list[PaperPlan]:
    """Every plan of a network, at every rate and for every draw."""
    return [
        PaperPlan(method, rate, seed, bits, method in METHODS and rate in scale.tuned[network])
        for rate in scale.rates[network]
        for seed in scale.seeds
        for method, bits in _methods(tables, scale, rate, seed)
    ]


def instance_at(tables: Tables, metric: str, seed: int, rate: str) -> Instance:
    """The knapsack of a metric's draw at a rate."""
    table = tables[metric, seed]
    return table.to_instance(
        metric, parse_budget(rate).capacity(table), name=f"{metric}_{rate}_{seed}"
    )


def _methods(
    tables: Tables, scale: Scale, rate: str, seed: int
) -> Iterator[tuple[str, Mapping[str, str]]]:
    paper = instance_at(tables, "fisher", seed, rate)
    yield "uniform", _uniform(tables, rate, seed)
    yield "random", paper.by_label(random_choice(paper, seed))
    for metric in scale.samples:
        instance = instance_at(tables, metric, seed, rate)
        yield metric, instance.by_label(optimum(instance)[0])
    for solver in ORDERS:
        choice = solve(paper, solver).choice
        assert choice is not None
        yield solver, paper.by_label(choice)


def _uniform(tables: Tables, rate: str, seed: int) -> Mapping[str, str]:
    """The largest single bit-width within the rate."""
    table = tables["fisher", seed]
    average = parse_budget(rate).average_bits
    assert average is not None
    fitting = [bits for bits in map(int, table.choices) if bits <= average]
    return table.uniform(max(fitting, default=int(table.choices[0])))
