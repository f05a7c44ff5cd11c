"""Measured accuracy of plans and controls, each distinct plan evaluated once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from bitknap.plans.apply import Applier
from bitknap.plans.remembered import Remembered
from bitknap.plans.repair.base import AUTO, NONE, VERSION
from bitknap.problems import Instance
from bitknap.sensitivity import Quantizer, SensitivityTable

from ..workloads.accuracy import Accuracy
from ..workloads.base import Workload
from .random_plan import random_choice

FORMAT = "bitknap.accuracies/3"
RANDOM_DRAWS = 3

Allocation = Mapping[str, str]


@dataclass(frozen=True)
class Evaluation:
    """The accuracy of one plan.

    Args:
        plan: metric whose optimum it is, or ``uniform``, ``random``, ``float``.
        budget: text of the budget it keeps; for ``uniform`` its label.
        average_bits: bits per weight, codes only; 32 for the float network.
        allocation: layer -> label of its choice; empty for the float network.
        repair: of the quantized network, by the calibration data; ``none`` as quantized.
    """

    plan: str
    solver: str
    budget: str
    draw: int
    average_bits: float
    accuracy: Accuracy
    allocation: Allocation
    repair: str = NONE


@dataclass(frozen=True)
class Wanted:
    """A plan whose accuracy is wanted; see `Evaluation`."""

    plan: str
    allocation: Allocation
    solver: str = ""
    budget: str = ""
    draw: int = 0
    repair: str = NONE


def random_plans(instances: Mapping[str, Instance], seed: int, repair: str) -> list[Wanted]:
    """Random plans within each budget, several draws each.

    Args:
        instances: text of each budget -> a knapsack with it, whose policy and ties random plans
            keep; its costs do not matter.
        seed: of the random draws.
        repair: of the quantized networks.
    """
    return [
        Wanted(
            "random",
            instance.by_label(random_choice(instance, seed + draw)),
            budget=budget,
            draw=draw,
            repair=repair,
        )
        for budget, instance in instances.items()
        for draw in range(RANDOM_DRAWS)
    ]


class Evaluator:
    """Evaluates allocations of one workload and keeps every answer on disk.

    Args:
        path: where answers are kept; those of another network, test set or quantizer are dropped.
    """

    def __init__(
        self,
        workload: Workload,
        quantizer: Quantizer,
        table: SensitivityTable,
        path: Path,
        say: Callable[[str], None],
        calibration: Sequence[Any] | None = None,
    ) -> None:
        self.workload, self.quantizer, self.table = workload, quantizer, table
        self.say, self.calibration = say, calibration
        key: dict[str, Any] = {**workload.provenance, "quantizer": quantizer.describe()}
        key["repairs"] = [*AUTO, VERSION]
        if table.activations is not None:
            content = b"".join(array.tobytes() for array in table.activations.arrays.values())
            key["activations"] = sha256(content).hexdigest()
        self.known = Remembered(path, FORMAT, _digest(key), Accuracy)

    @cached_property
    def _applier(self) -> Applier:
        return Applier(
            self.workload.model, self.table, self.quantizer, self.calibration, self.workload.forward
        )

    def has(self, allocation: Allocation, repair: str = NONE) -> bool:
        """Whether the plan's accuracy is already known."""
        return _name(allocation, repair) in self.known

    def measure(
        self,
        plan: str,
        allocation: Allocation,
        *,
        solver: str = "",
        budget: str = "",
        draw: int = 0,
        repair: str = NONE,
        place: str = "",
    ) -> Evaluation:
        """The accuracy of the network with this plan applied; an empty one is the float network.

        Args:
            plan, allocation, solver, budget, draw, repair: see `Evaluation`.
            place: such as ``7 of 9``, told where the network has to be run.
        """
        name = _name(allocation, repair)
        if name not in self.known:
            repaired = "" if repair == NONE else ", repaired"
            self.say(f"evaluating {plan} {budget} {solver}".rstrip() + repaired + place)
            model = self.workload.model
            if allocation:
                model = self._applier(allocation, repair)
            self.known[name] = self.workload.accuracy(model)
        average = 32.0
        if allocation:
            codes = self.table.code_bits[self.table.positions(allocation)]
            average = int(codes.sum()) / self.table.weights
        chosen = dict(allocation)
        return Evaluation(plan, solver, budget, draw, average, self.known[name], chosen, repair)

    def measure_all(self, wanted: Sequence[Wanted]) -> tuple[Evaluation, ...]:
        """The accuracy of several plans, in their order."""
        names = dict.fromkeys(_name(each.allocation, each.repair) for each in wanted)
        missing = [name for name in names if name not in self.known]
        rows = []
        for each in wanted:
            name = _name(each.allocation, each.repair)
            place = f": {missing.index(name) + 1} of {len(missing)}" if name in missing else ""
            rows.append(self.measure(**vars(each), place=place))
        return tuple(rows)

    def uniform(
        self, instances: Mapping[str, Instance], repair: str, *, every: bool
    ) -> list[Wanted]:
        """The uniform choices: every one, or those within some budget.

        Args:
            instances: text of each budget -> a knapsack with it; its costs do not matter.
            every: whether those above all budgets are wanted too.
        """
        plans = {label: self.table.uniform(label) for label in self.table.choices}
        return [
            Wanted("uniform", plan, budget=label, repair=repair)
            for label, plan in plans.items()
            if every or any(i.is_feasible(i.from_labels(plan)) for i in instances.values())
        ]


def _name(allocation: Allocation, repair: str) -> str:
    name = _digest({k: int(v) if v.isdecimal() else v for k, v in allocation.items()})
    return name if repair == NONE or not allocation else f"{name} {repair}"


def _digest(value: Mapping[str, Any]) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
