"""What the main job found, in memory and as the files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitknap.plans.budgets import Budget
from bitknap.plans.measured import MeasuredPlan
from bitknap.problems import BitknapError, DataError, Instance, load_instance
from bitknap.problems.documents import load_as, save_document
from bitknap.sensitivity import LayerPolicy, SensitivityTable, Tie, load_table
from bitknap.solvers import Solution, Status
from bitknap.solvers.verify.document import load_solution, read_claim

from .evaluation import Evaluation

FORMAT = "bitknap.run/1"
FILE = "run.json"


@dataclass(frozen=True)
class JobSettings:
    """What a run was asked to do, as far as its results need it.

    Args:
        time_limit: seconds for each solve; None where a run from before limits had none.
    """

    workload: str
    title: str
    notes: tuple[str, ...]
    metrics: tuple[str, ...]
    budgets: tuple[Budget, ...]
    solvers: tuple[str, ...]
    samples: int
    seed: int
    command: str = ""
    policy: LayerPolicy = field(default_factory=LayerPolicy)
    ties: tuple[Tie, ...] = ()
    time_limit: float | None = None


@dataclass(frozen=True)
class Results:
    """What the main job found.

    Args:
        proved: on how many instances the independent checker proved the best solution optimal.
    """

    asked: JobSettings
    out: Path
    table: SensitivityTable
    instances: Mapping[tuple[str, str], Instance]
    solutions: Mapping[tuple[str, str, str], Solution]
    proved: int = 0
    measured: tuple[Evaluation, ...] = ()
    recommended: Mapping[str, MeasuredPlan] = field(default_factory=dict)

    def best(self, metric: str, budget: str) -> Solution:
        """The solution of least cost, an optimal one where there is one."""
        found = [self.solutions[metric, budget, name] for name in self.asked.solvers]
        answered = [s for s in found if s.objective is not None]
        if not answered:
            raise DataError(
                f"no solver answered {metric} at {budget}; add one to --solvers, or allow more time"
            )
        return min(answered, key=lambda s: (s.objective, s.status is not Status.OPTIMAL))


def instance_path(out: Path, metric: str, budget: str) -> Path:
    """Where the instance of a metric and budget is kept."""
    return out / "instances" / f"{metric}_{budget}.json"


def solution_path(out: Path, metric: str, budget: str, solver: str) -> Path:
    """Where the solution of a metric, budget and solver is kept."""
    return out / "solutions" / f"{metric}_{budget}_{solver}.json"


def plan_path(out: Path, budget: str) -> Path:
    """Where the recommended plan of a budget is kept."""
    return out / "plans" / f"{budget}.json"


def save_results(results: Results) -> None:
    """Write ``run.json``; table, instances and solutions are in their own files already."""
    asked = asdict(results.asked) | {"budgets": [b.text for b in results.asked.budgets]}
    content = {
        "asked": asked,
        "provenance": results.table.provenance,
        "proved": results.proved,
        "measured": [asdict(row) for row in results.measured],
        "recommended": {budget: asdict(plan) for budget, plan in results.recommended.items()},
    }
    save_document(results.out / FILE, FORMAT, content)


@dataclass(frozen=True)
class _StoredRun:
    """What ``run.json`` holds."""

    asked: JobSettings
    provenance: dict[str, Any]
    proved: int
    measured: tuple[Evaluation, ...]
    recommended: dict[str, MeasuredPlan] = field(default_factory=dict)


def load_results(out: Path) -> Results:
    """Read the results of a finished run from its folder.

    Raises:
        DataError: the folder holds no finished run, or its files do not belong together.
    """
    run = load_as(_StoredRun, out / FILE, (FORMAT,), remedy="run again")
    asked = run.asked
    stored = replace(load_table(out / "table.npz"), ties=asked.ties)
    table = asked.policy.apply(stored)
    if json.loads(json.dumps(table.provenance)) != run.provenance:
        raise DataError(f"{out / 'table.npz'} is not the table of {out / FILE}; finish the run")
    keys = [(metric, budget.text) for metric in asked.metrics for budget in asked.budgets]
    instances = {key: load_instance(instance_path(out, *key)) for key in keys}
    solutions = {
        (*key, solver): read_solution(solution_path(out, *key, solver), instance)
        for key, instance in instances.items()
        for solver in asked.solvers
    }
    return Results(
        asked, out, table, instances, solutions, run.proved, run.measured, run.recommended
    )


def read_solution(path: Path, instance: Instance) -> Solution:
    """Read a ``bitknap.solution/1`` file as the solution of its instance.

    Raises:
        DataError: the file is not a solution of this instance.
    """
    try:
        claim = read_claim(load_solution(path))
        return Solution(
            status=Status(claim.status),
            solver=claim.solver,
            instance=instance,
            choice=None if claim.choice is None else instance.from_labels(claim.choice),
            objective=claim.objective,
            bound=claim.bound,
            usage=_by_resource(claim.usage, instance),
            seconds=claim.seconds,
            message=claim.message,
            multiplier=_by_resource(claim.multiplier, instance),
            stats=claim.stats,
        )
    except (KeyError, BitknapError) as error:
        raise DataError(f"{path} is no solution of {instance.name!r} ({error})") from None


def _by_resource(values: Mapping[str, Any] | None, instance: Instance) -> Any:
    return None if values is None else np.array([values[name] for name in instance.resources])
