"""The study behind the paper's tables and figures: tables, plans and accuracies of each network."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bitknap.bench.comparison import Comparison, Entry, Tables, optimum
from bitknap.bench.data import load_fashion_mnist
from bitknap.bench.loading import load_workload
from bitknap.bench.workloads.base import Accuracy, Workload, classification_accuracy
from bitknap.sensitivity import SensitivityTable

from .cells import Cell, measure_plans
from .plans import instance_at, make_plans
from .scale import BITS, Scale
from .search import Search, evolve

Say = Callable[[str], None]


@dataclass(frozen=True)
class Network:
    """What was measured of one network.

    Args:
        workload: network and data.
        tables: of each metric and draw.
        whole: accuracy of the float network.
        cells: every plan with its accuracies.
        search: the evolutionary search at the largest rate.
    """

    workload: Workload
    tables: Tables
    whole: Accuracy
    cells: Sequence[Cell]
    search: Search

    @property
    def table(self) -> SensitivityTable:
        """The table of the paper's criterion, first draw."""
        return next(table for (metric, _), table in self.tables.items() if metric == "fisher")

    def change(self, accuracy: Accuracy) -> float:
        """Top-1 against the float network, in points."""
        return 100 * (accuracy.value - self.whole.value)

    def select(self, method: str, rate: str) -> list[Cell]:
        """The cells of a method at a rate, one a seed."""
        return [c for c in self.cells if (c.plan.method, c.plan.rate) == (method, rate)]


@dataclass(frozen=True)
class Study:
    """All that the tables and figures show.

    Args:
        scale: what was asked.
        networks: by name.
        command: the command line.
    """

    scale: Scale
    networks: Mapping[str, Network]
    command: str


def run_study(
    scale: Scale,
    out: Path,
    arguments: Sequence[str],
    say: Say,
    load: Callable[[str], Workload],
) -> Study:
    """Compute whatever the folder does not hold yet.

    Args:
        scale: the extent.
        out: folder; what is done is kept in ``cells``.
        arguments: of the command line.
        say: told what is done.
        load: gives a network's workload, see `fashion`.
    """
    found = {
        name: _run_network(name, load(name), scale, out / "cells", say) for name in scale.rates
    }
    return Study(scale, found, shlex.join(arguments))


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


def _run_network(name: str, workload: Workload, scale: Scale, cells: Path, say: Say) -> Network:
    folder = cells / name

    def told(text: str) -> None:
        say(f"{name}: {text}")

    tables = Comparison(
        workload=workload,
        entries={metric: Entry(metric, count) for metric, count in scale.samples.items()},
        bits=BITS,
        budgets=(),
        seeds=scale.seeds,
        held_out=0,
        folder=folder,
        say=told,
    ).tables()
    seed, rate = scale.seeds[0], scale.rates[name][-1]
    plans = make_plans(name, tables, scale)
    table = tables["fisher", seed]
    whole, measured = measure_plans(workload, table, plans, scale.tuning, folder, say)
    instance = instance_at(tables, "fisher", seed, rate)
    search = evolve(
        workload, table, instance, optimum(instance), scale.search_samples, scale.search,
        folder / "search.json", told,
    )  # fmt: skip
    return Network(workload, tables, whole, measured, search)
