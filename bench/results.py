"""What the main job found, in memory and as the files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitknap.problems import BitknapError, DataError, Instance, load_instance, write_atomically
from bitknap.sensitivity import LayerPolicy, SensitivityTable, Tie, load_table
from bitknap.solvers import Solution, Status
from bitknap.solvers.verify import load_solution

from .budgets import Budget, parse_budget
from .measurement import Measured
from .workloads.base import Accuracy

FORMAT = "bitknap.run/1"
FILE = "run.json"


@dataclass(frozen=True)
class Asked:
    """What a run was asked to do, as far as its results need it.

    Args:
        workload: name of the workload.
        title: one line on it.
        notes: sentences that belong beside its measured accuracies.
        metrics: names of the sensitivity metrics.
        budgets: limits on the size.
        solvers: names of the methods.
        samples: calibration samples.
        seed: of the calibration draw and the random controls.
        command: the command line that runs it again.
        policy: what was decided about layers beforehand.
        ties: found in the traced network.
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
        asked: what it was asked.
        out: folder of its files.
        table: sensitivities and sizes, under the policy.
        instances: by (metric, budget text).
        solutions: by (metric, budget text, solver).
        proved: on how many instances the independent checker proved the best solution optimal.
        measured: accuracies of plans and controls.
    """

    asked: Asked
    out: Path
    table: SensitivityTable
    instances: Mapping[tuple[str, str], Instance]
    solutions: Mapping[tuple[str, str, str], Solution]
    proved: int = 0
    measured: tuple[Measured, ...] = ()

    def best(self, metric: str, budget: str) -> Solution:
        """The solution of least cost, an optimal one where there is one."""
        found = [self.solutions[metric, budget, name] for name in self.asked.solvers]
        answered = [s for s in found if s.objective is not None]
        if not answered:
            raise DataError(f"no solver answered {metric} at {budget}; add one to --solvers")
        return min(answered, key=lambda s: (s.objective, s.status is not Status.OPTIMAL))


def instance_path(out: Path, metric: str, budget: str) -> Path:
    """Where the instance of a metric and budget is kept."""
    return out / "instances" / f"{metric}_{budget}.json"


def solution_path(out: Path, metric: str, budget: str, solver: str) -> Path:
    """Where the solution of a metric, budget and solver is kept."""
    return out / "solutions" / f"{metric}_{budget}_{solver}.json"


def save_results(results: Results) -> None:
    """Write ``run.json``; table, instances and solutions are in their own files already."""
    asked = asdict(results.asked) | {"budgets": [b.text for b in results.asked.budgets]}
    document = {
        "format": FORMAT,
        "asked": asked,
        "provenance": results.table.provenance,
        "proved": results.proved,
        "measured": [asdict(row) for row in results.measured],
    }
    write_atomically(results.out / FILE, json.dumps(document, indent=1) + "\n")


def load_results(out: Path) -> Results:
    """Read the results of a finished run from its folder.

    Raises:
        DataError: the folder holds no finished run, or its files do not belong together.
    """
    document = _document(out / FILE)
    try:
        asked = _asked(document["asked"])
        measured = tuple(_measured(row) for row in document["measured"])
        proved, provenance = int(document["proved"]), document["provenance"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{out / FILE} is incomplete or damaged ({error!r}); run again") from None
    stored = replace(load_table(out / "table.npz"), ties=asked.ties)
    table = asked.policy.apply(stored)
    if json.loads(json.dumps(table.provenance)) != provenance:
        raise DataError(f"{out / 'table.npz'} is not the table of {out / FILE}; finish the run")
    keys = [(metric, budget.text) for metric in asked.metrics for budget in asked.budgets]
    instances = {key: load_instance(instance_path(out, *key)) for key in keys}
    solutions = {
        (*key, solver): read_solution(solution_path(out, *key, solver), instance)
        for key, instance in instances.items()
        for solver in asked.solvers
    }
    return Results(asked, out, table, instances, solutions, proved, measured)


def read_solution(path: Path, instance: Instance) -> Solution:
    """A ``bitknap.solution/1`` file as the solution of its instance.

    Raises:
        DataError: the file is no solution of this instance.
    """
    document = load_solution(path)
    try:
        choice = document["choice"]
        return Solution(
            status=Status(document["status"]),
            solver=document["solver"],
            instance=instance,
            choice=None if choice is None else instance.from_labels(choice),
            objective=document["objective"],
            bound=document["bound"],
            usage=_by_resource(document["usage"], instance),
            seconds=document["seconds"],
            message=document["message"],
            multiplier=_by_resource(document["multiplier"], instance),
            stats=document["stats"],
        )
    except (KeyError, TypeError, ValueError, BitknapError) as error:
        raise DataError(f"{path} is no solution of {instance.name!r} ({error})") from None


def _by_resource(values: Mapping[str, Any] | None, instance: Instance) -> Any:
    return None if values is None else np.array([values[name] for name in instance.resources])


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is not a {FORMAT} file; run again") from None
    return document  # type: ignore[no-any-return]


def _asked(row: dict[str, Any]) -> Asked:
    policy = row["policy"]
    return Asked(
        **{
            **row,
            **{name: tuple(row[name]) for name in ("notes", "metrics", "solvers")},
            "budgets": tuple(map(parse_budget, row["budgets"])),
            "policy": LayerPolicy(
                exclude=tuple(policy["exclude"]),
                pin=tuple((pattern, label) for pattern, label in policy["pin"]),
                allow=tuple((pattern, tuple(labels)) for pattern, labels in policy["allow"]),
                tie=tuple(policy["tie"]),
            ),
            "ties": tuple(Tie(tuple(tie["layers"]), tie["reason"]) for tie in row["ties"]),
        }
    )


def _measured(row: dict[str, Any]) -> Measured:
    return Measured(**{**row, "accuracy": Accuracy(**row["accuracy"])})
