"""Metrics against each other: tables of the same calibration draws, and the plans they lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from bitknap.problems import DataError, Instance, IntArray, QuadraticInstance
from bitknap.sensitivity import METRICS, SensitivityTable
from bitknap.sensitivity.metrics.measured import MeasuredMetric
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.resume.ranks import Ranks
from bitknap.solvers.quadratic import solve_quadratic
from bitknap.solvers.quadratic.exchange import Exchange

from ..confidence.bootstrap import optimum
from ..workloads.base import Workload
from .evaluation import Evaluation, Evaluator
from .random_plan import random_choice
from .table_cache import QUANTIZER, fill, traced

YARDSTICKS = ("loss", "kl")
"""Measured on images that no metric saw."""

SHUFFLED = "fisher"
"""Whose scores the control shuffles."""

Tables = Mapping[tuple[str, int], SensitivityTable]
"""Table of each entry and draw."""


class Entry(NamedTuple):
    """A metric and its calibration samples per draw.

    Of one draw, fewer samples are the first of more.
    """

    metric: str
    samples: int


@dataclass(frozen=True)
class MetricComparison:
    """What is compared.

    Args:
        seeds: of the calibration draws; draw number s also seeds the controls.
        held_out: images for the yardsticks, less those that are in a draw.
    """

    workload: Workload
    entries: Mapping[str, Entry]
    bits: tuple[Choice, ...]
    budgets: tuple[float, ...]
    seeds: Sequence[int]
    held_out: int
    folder: Path
    say: Callable[[str], None]
    ranks: Ranks = field(default_factory=Ranks)

    def tables(self) -> dict[tuple[str, int], SensitivityTable]:
        """The table of every entry and draw; those in the folder are reused.

        Every metric runs on its own, so that its time is its own; measured ones share their runs,
        and the time of these is that of each.
        """
        found: dict[tuple[str, int], SensitivityTable] = {}
        for samples in sorted({size for _, size in self.entries.values()}, reverse=True):
            chosen = {
                name: metric for name, (metric, size) in self.entries.items() if size == samples
            }
            for seed in self.seeds:
                table = self._filled(samples, seed, list(chosen.values()))
                found |= {(name, seed): table for name in chosen}
        return found

    def yardstick(self) -> SensitivityTable:
        """Measured loss and KL of every item on images outside every draw."""
        most = max(samples for _, samples in self.entries.values())
        draws = [self.workload.calibration(most, seed) for seed in self.seeds]
        more = self.workload.calibration(self.held_out, 1 + max(self.seeds))
        batches = list(outside(more, draws))
        prepared = traced(self.workload, batches, self.bits, 0, self.say)
        path = self.folder / f"held-out-{self.held_out}.npz"
        return fill(prepared, path, YARDSTICKS, self.say)

    def accuracies(self, tables: Tables) -> list[Evaluation]:
        """Measured accuracy of every entry's optimum and of the controls, a row each."""
        first = next(iter(tables.values()))
        path = self.folder / "accuracies.jsonl"
        evaluator = Evaluator(self.workload, QUANTIZER, first, path, self.say)
        rows = [evaluator.measure("float", {})]
        for bits in self.bits:
            rows.append(evaluator.measure("uniform", first.uniform(bits), budget=str(bits)))
        for seed in self.seeds:
            for budget in self.budgets:
                for name, instance, choice in self._plans(tables, seed, budget):
                    plan = instance.by_label(choice)
                    rows.append(evaluator.measure(name, plan, budget=f"{budget:g}", draw=seed))
        return rows

    def _filled(self, samples: int, seed: int, names: Sequence[str]) -> SensitivityTable:
        batches = self.workload.calibration(samples, seed)
        prepared = traced(self.workload, batches, self.bits, seed, self.say)
        path = self.folder / f"draw{seed}-{samples}.npz"
        together = [n for n in names if isinstance(METRICS.load(n), MeasuredMetric)]
        groups = [(n,) for n in names if n not in together] + [tuple(together)] * bool(together)
        for group in groups:
            self.say(f"draw {seed}, {samples} samples: {', '.join(group)}")
            table = fill(prepared, path, group, self.say, self.ranks)
        return table

    def _plans(
        self, tables: Tables, seed: int, budget: float
    ) -> Iterator[tuple[str, Instance, IntArray]]:
        """Name, knapsack and choice of every plan of a draw and budget."""
        for name, (metric, _) in self.entries.items():
            table = tables[name, seed]
            instance = table.to_instance(metric, table.capacity(budget))
            yield name, instance, optimum(instance)[0]
            if name == metric and (metric == "fisher" or metric in table.interactions):
                problem = table.to_quadratic(metric, table.capacity(budget))
                yield f"{name}, with pairs", instance, best_exchanged(problem)
        table = tables[SHUFFLED, seed]
        instance = table.to_instance(SHUFFLED, table.capacity(budget))
        mixed = shuffled(instance, seed)
        yield "shuffled", mixed, optimum(mixed)[0]
        yield "random", instance, random_choice(instance, seed)


def best_exchanged(problem: QuadraticInstance) -> IntArray:
    """The best choice that exchanges of two layers lead to, not a proven optimum."""
    choice = solve_quadratic(problem, Exchange(rounds=100)).choice
    if choice is None:
        raise DataError(f"no choice of {problem.name} fits; raise the budget")
    return choice


def shuffled(instance: Instance, seed: int) -> Instance:
    """The knapsack with the layers' costs permuted, each layer's kept together over its bits."""
    width = int(instance.sizes[0])
    if (instance.sizes != width).any():
        raise DataError("costs can be shuffled only where all layers have the same choices")
    order = np.random.default_rng(seed).permutation(len(instance))
    return replace(instance, cost=instance.cost.reshape(-1, width)[order].ravel())


def outside(batches: Sequence[Any], draws: Sequence[Sequence[Any]]) -> Iterator[Any]:
    """Batches (x, y, ...) without the samples whose x is in one of the draws."""
    known = {digest for draw in draws for batch in draw for digest in _digests(batch[0])}
    for batch in batches:
        keep = torch.tensor([digest not in known for digest in _digests(batch[0])])
        if keep.any():
            yield tuple(part[keep] for part in batch)


def _digests(samples: torch.Tensor) -> Iterator[bytes]:
    for sample in samples:
        yield hashlib.sha256(sample.contiguous().numpy().tobytes()).digest()
