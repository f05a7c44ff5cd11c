"""An evolutionary search that evaluates the network: the cost of allocation without a metric."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitknap.problems import DataError, Instance, IntArray
from bitknap.problems.documents import load_document, save_document
from bitknap.problems.schema import convert
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.tracing.batches import per_sample
from bitknap.solvers.local import repair

from ..job.random_plan import random_choice
from ..job.table_cache import QUANTIZER
from ..workloads.base import Workload

FORMAT = "bitknap.paper-search/1"
POPULATION = 20


@dataclass(frozen=True)
class SearchedPlan:
    """What the search found and spent.

    Args:
        reference: mean loss, on the same samples, of the paper's exact plan.
    """

    allocation: dict[str, str]
    loss: float
    evaluations: int
    samples: int
    seconds: float
    cpu_seconds: float
    reference: float


class _Network:
    """Mean loss of the network with its weights quantized as chosen; equal choices run once."""

    def __init__(self, workload: Workload, table: SensitivityTable, batches: Sequence[Any]) -> None:
        self.workload, self.table, self.batches = workload, table, batches
        self.model = copy.deepcopy(workload.model)
        self.known: dict[bytes, float] = {}

    def loss(self, choice: IntArray) -> float:
        """Of a choice, by one pass over the samples."""
        if (key := choice.tobytes()) not in self.known:
            with torch.no_grad():
                for i, layer in enumerate(self.table.layers):
                    bits = int(self.table.labels[self.table.offsets[i] + choice[i]])
                    weight = self.workload.model.get_parameter(layer.parameter)
                    quantized = QUANTIZER(weight, bits, dim=layer.channel_dim)
                    self.model.get_parameter(layer.parameter).copy_(quantized)
                parts = [
                    per_sample(self.workload.loss(self.workload.forward(self.model, b), b))
                    for b in self.batches
                ]
            self.known[key] = float(torch.cat(parts).double().mean())
        return self.known[key]


def evolve(
    workload: Workload,
    table: SensitivityTable,
    instance: Instance,
    reference: IntArray,
    samples: int,
    evaluations: int,
    path: Path,
    say: Callable[[str], None],
) -> SearchedPlan:
    """Search the plans within the capacity for the least loss of the network itself.

    Parents win tournaments of two, a child takes each layer's bits from either parent, changes
    each with probability 1/L and is repaired at random where it does not fit; it replaces the
    worst of the population where it is better. The first population is random.

    Args:
        instance: gives the choices and the capacity; its costs are not looked at.
        reference: a choice to compare with, on the same samples.
        evaluations: passes over the samples that may be spent.
    """
    asked = {
        "workload": dict(workload.provenance),
        "quantizer": QUANTIZER.describe(),
        "capacity": instance.capacity.tolist(),
        "samples": samples,
        "evaluations": evaluations,
        "rival": reference.tolist(),
    }
    if (found := _stored(path, asked)) is not None:
        return found
    network = _Network(workload, table, workload.calibration(samples, 0))
    other = network.loss(reference)
    network.known.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    best = _evolve(network, instance, evaluations, say)
    found = SearchedPlan(
        allocation=instance.by_label(best),
        loss=network.loss(best),
        evaluations=len(network.known),
        samples=samples,
        seconds=round(time.perf_counter() - wall, 2),
        cpu_seconds=round(time.process_time() - cpu, 2),
        reference=other,
    )
    save_document(path, FORMAT, asked | {"found": asdict(found)})
    return found


def _evolve(
    network: _Network, instance: Instance, evaluations: int, say: Callable[[str], None]
) -> IntArray:
    rng = np.random.default_rng(0)
    people = [random_choice(instance, seed) for seed in range(POPULATION)]
    losses = [network.loss(choice) for choice in people]
    start, tries = time.perf_counter(), 0
    while len(network.known) < evaluations and tries < 10 * evaluations:
        tries += 1
        if (done := len(network.known)) % 10 == 0:
            left = (time.perf_counter() - start) / max(tries, 1) * (evaluations - done)
            say(f"evolutionary search: {done} of {evaluations} evaluations, {left:.0f} s left")
        child = _child(instance, people, losses, rng)
        if child is None:
            continue
        loss, worst = network.loss(child), int(np.argmax(losses))
        if loss < losses[worst] and not any((child == person).all() for person in people):
            people[worst], losses[worst] = child, loss
    return people[int(np.argmin(losses))]


def _child(
    instance: Instance, people: list[IntArray], losses: list[float], rng: np.random.Generator
) -> IntArray | None:
    pairs = rng.integers(0, len(people), (2, 2))
    first, second = (people[min(pair, key=losses.__getitem__)] for pair in pairs)
    child = np.where(rng.random(len(instance)) < 0.5, first, second)
    mutated = rng.random(len(instance)) < 1 / len(instance)
    child = np.where(mutated, rng.integers(0, instance.sizes), child)
    return repair(replace(instance, cost=rng.random(instance.n_items), optimum=None), child)


def _stored(path: Path, asked: dict[str, Any]) -> SearchedPlan | None:
    if not path.exists():
        return None
    document = load_document(path, (FORMAT,), remedy="remove it to search again")
    found = document.pop("found", None)
    if document != asked:
        return None
    try:
        return convert(SearchedPlan, found, f"'found' in {path}")
    except DataError as error:
        raise DataError(f"{error}; remove it to search again") from None
