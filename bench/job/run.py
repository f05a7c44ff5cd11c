"""The main job: network and data -> table -> instances -> solutions -> measured accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bitknap.plans.budgets import Budget, require_feasible
from bitknap.plans.candidates import TIME_LIMIT
from bitknap.plans.repair.base import NONE
from bitknap.plans.search import EVALUATIONS
from bitknap.problems import DataError, Instance, save_instance
from bitknap.problems.documents import save_document
from bitknap.problems.storage import only_writer
from bitknap.sensitivity import ActivationQuantizer, LayerPolicy, Quantizer, SensitivityTable, Tie
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.solvers import Solution, load_solver, solve
from bitknap.solvers.base import FORMAT as SOLUTION_FORMAT
from bitknap.solvers.verify import verify

from ..records.record import Record, load_records, record_of, save_records
from ..workloads.base import Workload
from .evaluation import Evaluation, Evaluator, Wanted, random_plans
from .recommended import RECOMMENDED, recommend
from .results import JobSettings, Results, instance_path, save_results, solution_path
from .table_cache import QUANTIZER, calibration_batches, fill, traced
from .ties import trace_workload, with_found_ties

RECORDS = "records.jsonl"

Say = Callable[[str], None]
"""Reports what is being done, one short line per step."""


@dataclass(frozen=True)
class Job:
    """What the main job is asked to do.

    Args:
        policy: what is decided about layers beforehand; every instance keeps it.
        quantizer: how weights are quantized, in the predictions and in the measured accuracies.
        activations: candidates for what layers read; None leaves it in float.
        tie_kinds: kinds of ties to find in the traced network, of `sensitivity.ties.KINDS`.
        time_limit: seconds for each solve, and for each proof of the independent checker.
        measure: networks that the search for the recommended plan may run, for each budget, on
            half of the calibration samples; 0 recommends none.
        repair: of the quantized networks.
        full: also measure every metric's plans, the greedy's and random ones, and all of them as
            quantized, without repair.
        max_kl: find the smallest plan of at most this measured damage too.
    """

    workload: Workload
    metrics: tuple[str, ...]
    bits: tuple[Choice, ...]
    budgets: tuple[Budget, ...]
    solvers: tuple[str, ...]
    samples: int
    seed: int
    out: Path
    policy: LayerPolicy = field(default_factory=LayerPolicy)
    tie_kinds: tuple[str, ...] = ()
    quantizer: Quantizer = QUANTIZER
    activations: ActivationQuantizer | None = None
    command: str = ""
    time_limit: float = TIME_LIMIT
    measure: int = EVALUATIONS
    repair: str = "auto"
    full: bool = False
    max_kl: float | None = None

    def asked(self, ties: tuple[Tie, ...]) -> JobSettings:
        """What is kept of the job beside its results; ``ties`` were found in the network."""
        same = ("metrics", "budgets", "solvers", "samples", "seed", "command", "policy")
        return JobSettings(
            workload=self.workload.name,
            title=self.workload.title,
            notes=self.workload.notes,
            ties=ties,
            time_limit=self.time_limit,
            **{name: getattr(self, name) for name in same},
        )


def run_job(job: Job, say: Say) -> Results:
    """Run the main job and write table, instances, solutions, records and accuracies.

    Everything that is finished is on disk before the next step starts; the table and the
    accuracies are reused by a later run whose inputs hash to the same.

    Raises:
        InfeasibleError: a budget is below the smallest size.
        DataError: the workload is malformed, its data differ from draw to draw, or another run
            writes the folder.
    """
    for name in job.solvers:
        load_solver(name)
    with only_writer(job.out):
        return _run(job, say)


def _run(job: Job, say: Say) -> Results:
    records = job.out / RECORDS
    if records.exists() and any(record.suite != "run" for record in load_records(records)):
        raise DataError(f"{records} holds records of another command; name another --out")
    batches = calibration_batches(job.workload, job.samples, job.seed)
    quantizers = (job.quantizer, job.activations)
    prepared = traced(job.workload, batches, job.bits, job.seed, say, *quantizers)
    blank = prepared.table()
    ties = _found_ties(job, blank)
    planned = job.policy.apply(replace(blank, ties=ties))
    for budget in job.budgets:
        require_feasible(planned, budget.limits(planned), budget.text)
    stored = fill(prepared, job.out / "table.npz", job.metrics, say, excluded=planned.floats)
    table = job.policy.apply(replace(stored, ties=ties))
    instances = make_instances(job, table)
    _save_instances(job, instances)
    solutions = _solve_all(job, instances, say)
    results = Results(job.asked(ties), job.out, table, instances, solutions)
    say("proving the optima independently")
    proved = {
        key: replace(instance, optimum=results.best(*key).objective)
        for key, instance in instances.items()
        if verify(instance, results.best(*key).to_dict(), time_limit=job.time_limit).proved
    }
    _save_instances(job, proved)
    recommended = recommend(job, results, batches, say)
    results = replace(results, proved=len(proved), recommended=recommended)
    results = replace(results, measured=_measure(job, results, batches, say))
    save_results(results)
    return results


def _found_ties(job: Job, table: SensitivityTable) -> tuple[Tie, ...]:
    """Ties of the traced network, of the kinds that the job asks for."""
    if not job.tie_kinds:
        return ()
    return with_found_ties(table, trace_workload(table, job.workload), job.tie_kinds).ties


def _save_instances(job: Job, instances: Mapping[tuple[str, str], Instance]) -> None:
    for (metric, budget), instance in instances.items():
        save_instance(instance, instance_path(job.out, metric, budget))


def make_instances(job: Job, table: SensitivityTable) -> dict[tuple[str, str], Instance]:
    """One instance per metric and budget."""
    found = {}
    quantizer = ", ".join(f"{k} {v}" for k, v in table.provenance["quantizer"].items())
    for metric in job.metrics:
        for budget in job.budgets:
            name = f"{job.workload.name}/{metric}_{budget.text}"
            instance = table.to_instance(metric, budget.limits(table), name=name)
            source = (
                f"{instance.source}; {job.workload.title}, {job.samples} samples, "
                f"seed {job.seed}, quantizer {quantizer}, model {table.provenance['model'][:12]}"
            )
            found[metric, budget.text] = replace(instance, source=source)
    return found


def _solve_all(
    job: Job, instances: Mapping[tuple[str, str], Instance], say: Say
) -> dict[tuple[str, str, str], Solution]:
    solutions: dict[tuple[str, str, str], Solution] = {}
    records: list[Record] = []
    for (metric, budget), instance in instances.items():
        say(f"solving {metric} at {budget}")
        for name in job.solvers:
            solution = solve(instance, name, job.time_limit)
            solutions[metric, budget, name] = solution
            row = record_of("run", solution, seed=job.seed, exact=load_solver(name).exact)
            records.append(replace(row, time_limit=job.time_limit))
            path = solution_path(job.out, metric, budget, name)
            save_document(path, SOLUTION_FORMAT, solution.to_dict())
        save_records(records, job.out / RECORDS)
    return solutions


def _measure(
    job: Job, results: Results, batches: Sequence[Any], say: Say
) -> tuple[Evaluation, ...]:
    """Accuracy of the plans and of the controls; see `Job.full`."""
    table = results.table
    path = job.out / "accuracies.jsonl"
    evaluator = Evaluator(job.workload, job.quantizer, table, path, say, batches)
    by_budget = {budget: instance for (_, budget), instance in results.instances.items()}
    wanted = [Wanted("float", {})]
    for repair in dict.fromkeys((NONE, job.repair) if job.full else (job.repair,)):
        wanted += evaluator.uniform(by_budget, repair, every=job.full)
        wanted += [
            Wanted(RECOMMENDED, found.plan, budget=budget, repair=repair)
            for budget, found in results.recommended.items()
        ]
        if job.full or not results.recommended:
            wanted += random_plans(by_budget, job.seed, repair)
            wanted += _plans_of_metrics(results, repair)
    return evaluator.measure_all(wanted)


def _plans_of_metrics(results: Results, repair: str) -> Iterator[Wanted]:
    """The optimum and the greedy's plan of every metric and budget."""
    for metric, budget in results.instances:
        plans = {"optimum": results.best(metric, budget)}
        if "greedy" in results.asked.solvers:
            plans["greedy"] = results.solutions[metric, budget, "greedy"]
        for solver, solution in plans.items():
            if solution.labels is not None:
                yield Wanted(metric, solution.labels, solver=solver, budget=budget, repair=repair)
