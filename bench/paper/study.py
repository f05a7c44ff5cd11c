"""The study behind the paper's tables and figures: tables, plans and accuracies of each network."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.resume.ranks import Ranks

from ..confidence.bootstrap import optimum
from ..datasets.fashion_mnist import load_fashion_mnist
from ..job.metric_comparison import Entry, MetricComparison, Tables
from ..job.run import Say
from ..workloads.accuracy import Accuracy
from ..workloads.base import Workload, classification_accuracy
from ..workloads.loading import load_workload
from .cells import Cell, PlanMeasurer
from .plans import PaperPlan, instance_at, make_plans
from .scale import BITS, Scale
from .search import SearchedPlan, evolve
from .stamps import Stamp, read_stamps


@dataclass(frozen=True)
class Network:
    """What was measured of one network."""

    workload: Workload
    tables: Tables
    whole: Accuracy
    cells: Sequence[Cell]
    search: SearchedPlan
    stamps: Sequence[Stamp]

    @property
    def table(self) -> SensitivityTable:
        """The table of the paper's criterion, first draw."""
        return next(table for (metric, _), table in self.tables.items() if metric == "fisher")

    def change(self, accuracy: Accuracy) -> float:
        """Top-1 against the float network, in points."""
        return 100 * (accuracy.value - self.whole.value)

    def select(self, method: str, rate: str) -> list[Cell]:
        """The cells of a method at a rate, one per seed."""
        return [c for c in self.cells if (c.plan.method, c.plan.rate) == (method, rate)]


@dataclass(frozen=True)
class Study:
    """All that the tables and figures show."""

    scale: Scale
    networks: Mapping[str, Network]
    command: str


def run_study(
    scale: Scale,
    out: Path,
    arguments: Sequence[str],
    say: Say,
    load: Callable[[str], Workload],
    ranks: Ranks | None = None,
) -> Study:
    """Compute whatever the folder does not hold yet.

    Args:
        out: folder; what is done is kept in ``cells``.
        load: gives a network's workload, see `fashion`.
        ranks: this process, the first of those that share the work; the others call
            `help_study`.
    """
    parts = _measured(scale, out, say, load, ranks or Ranks())
    found = {
        name: Network(
            bench.workload, tables, bench.whole(), bench.cells(plans),
            _search(name, tables, bench, scale), read_stamps(bench.folder),
        )
        for name, (tables, plans, bench) in parts.items()
    }  # fmt: skip
    return Study(scale, found, shlex.join(arguments))


def help_study(
    scale: Scale, out: Path, say: Say, load: Callable[[str], Workload], ranks: Ranks
) -> None:
    """Do this process's share of what `run_study` computes on the first one."""
    _measured(scale, out, say, load, ranks)


def fashion(scale: Scale, data: Path | None) -> Callable[[str], Workload]:
    """Loads workloads on Fashion-MNIST, evaluated on the first test images only if asked."""

    def load(name: str) -> Workload:
        workload = load_workload(name, data)
        if scale.test is None:
            return workload
        test = load_fashion_mnist(data).test.take(torch.arange(scale.test))
        return replace(
            workload,
            evaluate=lambda model: classification_accuracy(model, test),
            provenance={**workload.provenance, "test": f"first {scale.test} images"},
        )

    return load


Part = tuple[Tables, list[PaperPlan], PlanMeasurer]
"""Tables and plans of a network, and where they are measured."""


def _measured(
    scale: Scale, out: Path, say: Say, load: Callable[[str], Workload], ranks: Ranks
) -> dict[str, Part]:
    """Every network, the largest rate first; the processes share the work."""
    parts = {name: _planned(name, load(name), scale, out, say, ranks) for name in scale.rates}
    rates = dict.fromkeys(rate for network_rates in scale.rates.values() for rate in network_rates)
    for rate in reversed(rates):
        for _, plans, bench in parts.values():
            bench.measure([plan for plan in plans if plan.rate == rate])
    names = list(parts)
    for number in ranks.take(len(names)):
        tables, _, bench = parts[names[number]]
        _search(names[number], tables, bench, scale)
    ranks.gather(b"")
    return parts


def _planned(
    name: str, workload: Workload, scale: Scale, out: Path, say: Say, ranks: Ranks
) -> Part:
    folder = out / "cells" / name
    tables = MetricComparison(
        workload=workload,
        entries={metric: Entry(metric, count) for metric, count in scale.samples.items()},
        bits=BITS,
        budgets=(),
        seeds=scale.seeds,
        held_out=0,
        folder=folder,
        say=lambda text: say(f"{name}: {text}"),
        ranks=ranks,
    ).tables()
    plans = make_plans(name, tables, scale)
    table = tables["fisher", scale.seeds[0]]
    batches = workload.calibration(scale.samples["fisher"], scale.seeds[0])
    return tables, plans, PlanMeasurer(workload, table, batches, scale.tuning, folder, say, ranks)


def _search(name: str, tables: Tables, bench: PlanMeasurer, scale: Scale) -> SearchedPlan:
    instance = instance_at(tables, "fisher", scale.seeds[0], scale.rates[name][-1])
    return evolve(
        bench.workload, bench.table, instance, optimum(instance)[0], scale.search_samples,
        scale.search, bench.folder / "search.json", lambda text: bench.say(f"{name}: {text}"),
    )  # fmt: skip
