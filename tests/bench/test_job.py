"""The main job on a tiny workload: what it writes, reuses, refuses, and survives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from bitknap.bench.job import evaluation as measurement
from bitknap.bench.job import table_cache as tables
from bitknap.bench.job.cached_quantizer import CachedQuantizer
from bitknap.bench.job.plan_files import read_plan
from bitknap.bench.job.plan_rows import finding, plan_lines, plan_rows, plan_table, preferred
from bitknap.bench.job.results import Results, load_results
from bitknap.bench.job.run import Job, run_job
from bitknap.bench.job.tables import (
    accuracy_table,
    measure_tables,
    objective_table,
    optimum_table,
    solver_table,
)
from bitknap.bench.records.record import Record, load_records
from bitknap.bench.report.write import write_report
from bitknap.bench.workloads.accuracy import Accuracy, Difference
from bitknap.plans.budgets import parse_budget
from bitknap.plans.layer_plan import Plan
from bitknap.problems import DataError, InfeasibleError, load_instance
from bitknap.sensitivity import LayerPolicy, load_table
from bitknap.solvers import Status

from .tiny import quiet, tiny_job, tiny_workload


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return tiny_job(tmp_path_factory.mktemp("run"), command="bitknap run --workload tiny")


@pytest.fixture(scope="module")
def done(job: Job) -> Results:
    return run_job(job, quiet)


def snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_file_is_there_and_reads_back(done: Results) -> None:
    out = done.out
    assert load_table(out / "table.npz").metrics == ("fisher", "weight_mse")
    for (metric, budget), instance in done.instances.items():
        stored = load_instance(out / "instances" / f"{metric}_{budget}.json")
        assert stored.cost.tolist() == instance.cost.tolist()
        assert stored.capacity.tolist() == instance.capacity.tolist()
        assert stored.optimum == done.best(metric, budget).objective
        assert stored.name == f"tiny/{metric}_{budget}"
        assert "a tiny network, 64 samples, seed 0" in stored.source
        for solver in done.asked.solvers:
            document = json.loads(
                (out / "solutions" / f"{metric}_{budget}_{solver}.json").read_text()
            )
            assert document["objective"] == done.solutions[metric, budget, solver].objective
    assert len(load_records(out / "records.jsonl")) == 2 * 3 * 3


def test_exact_solvers_agree_and_budgets_are_kept(done: Results) -> None:
    for (metric, budget), instance in done.instances.items():
        exact = [done.solutions[metric, budget, name] for name in ("core", "dp")]
        assert {s.status for s in exact} == {Status.OPTIMAL}
        assert exact[0].objective == pytest.approx(exact[1].objective, rel=1e-12)
        for s in (*exact, done.solutions[metric, budget, "greedy"]):
            assert s.usage is not None
            assert s.usage[0] <= instance.capacity[0]
    codes = 2.25 * done.table.weights
    assert done.instances["fisher", "2.25"].capacity[0] == int(codes) + done.table.overhead_bits
    assert done.instances["fisher", "2kB"].capacity[0] == 16000


def test_controls_and_plans_are_measured(done: Results) -> None:
    plans = {(m.plan, m.solver, m.budget) for m in done.measured}
    assert ("float", "", "") in plans
    assert {("uniform", "", str(bits)) for bits in (2, 3, 4, 8)} <= plans
    for budget in ("2.25", "3", "2kB"):
        for plan, solver in (("random", ""), ("fisher", "optimum"), ("weight_mse", "greedy")):
            assert (plan, solver, budget) in plans
    for m in done.measured:
        if m.plan == "random":
            capacity = done.instances["fisher", m.budget].capacity[0] - done.table.overhead_bits
            assert m.average_bits * done.table.weights <= capacity
    whole = next(m for m in done.measured if m.plan == "float")
    best = next(m for m in done.measured if m.plan == "uniform" and m.budget == "8")
    assert whole.accuracy.value > 0.6
    assert abs(best.accuracy.value - whole.accuracy.value) < 0.05


def test_grids_say_what_was_found(done: Results) -> None:
    solvers = solver_table(done)
    assert [row[0] for row in solvers.rows] == ["greedy", "core", "dp"]
    assert solvers.rows[1][2:5] == ["6/6", "0", "0"]
    assert "agree on every instance" in solvers.notes[1]
    assert done.proved == 6
    assert solvers.notes[2].startswith("6 of 6 optima proved again")
    assert len(optimum_table(done).rows) == 6
    assert len(objective_table(done).rows) == 18
    accuracy = accuracy_table(done)
    assert accuracy.columns == ("plan", "2.25 bits", "3 bits", "2kB")
    repaired = accuracy_table(done, "auto")
    assert [row[0] for row in repaired.rows] == [row[0] for row in accuracy.rows]
    assert repaired.title == "Measured accuracy repaired, %, by budget"
    assert [row[0] for row in plan_table(done).rows] == ["2.25 bits", "3 bits", "2kB"]
    assert [row[0] for row in accuracy.rows] == [
        "recommended",
        "fisher (optimum)",
        "fisher (greedy)",
        "weight_mse (optimum)",
        "weight_mse (greedy)",
        "uniform",
        "random",
        "float",
    ]


def test_losing_to_a_control_is_said(done: Results) -> None:
    spoiled = tuple(
        replace(m, accuracy=Accuracy(0, 200)) if m.plan == "fisher" else m for m in done.measured
    )
    notes = " ".join(accuracy_table(replace(done, measured=spoiled)).notes)
    assert "fisher (optimum) at 3 bits (0.00 %) loses to uniform" in notes
    assert "loses to random" in notes


def test_results_read_back_as_they_were(done: Results) -> None:
    again = load_results(done.out)
    assert again.asked == done.asked
    assert again.measured == done.measured
    assert again.proved == done.proved
    assert again.table.provenance == done.table.provenance
    for key, solution in done.solutions.items():
        assert again.solutions[key].to_dict() == solution.to_dict()
    assert solver_table(again) == solver_table(done)
    assert accuracy_table(again) == accuracy_table(done)


def test_a_second_run_reuses_table_and_accuracies(job: Job, done: Results) -> None:
    said: list[str] = []
    again = run_job(job, said.append)
    assert not [text for text in said if text.startswith(("computing", "evaluating"))]
    assert any(text.startswith("reusing") for text in said)
    assert again.measured == done.measured


def test_only_what_is_missing_is_computed(job: Job, done: Results) -> None:
    said: list[str] = []
    run_job(replace(job, metrics=("fisher", "loss")), said.append)
    assert [text for text in said if text.startswith("computing")] == ["computing loss"]


def test_slow_measured_metrics_are_a_step_of_their_own(tmp_path: Path) -> None:
    said: list[str] = []
    run_job(tiny_job(tmp_path, metrics=("loss", "fisher", "weight_mse", "kl")), said.append)
    steps = [text for text in said if text.startswith("computing")]
    assert steps == ["computing fisher", "computing weight_mse", "computing loss, kl"]


def test_a_stale_table_is_refused_by_name(tmp_path: Path) -> None:
    run_job(tiny_job(tmp_path), quiet)
    said: list[str] = []
    run_job(tiny_job(tmp_path, seed=1), said.append)
    assert any("was made with other" in text and "seed" in text for text in said)
    said.clear()
    run_job(tiny_job(tmp_path, workload=tiny_workload(seed=5)), said.append)
    assert any("was made with other" in text and "model" in text for text in said)
    assert any(text.startswith("evaluating fisher") for text in said)


def test_two_runs_write_the_same_bytes_but_for_times(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_job(tiny_job(tmp_path / name), quiet)
    a, b = snapshot(tmp_path / "a"), snapshot(tmp_path / "b")
    assert a.keys() == b.keys()
    for name in a:
        if name.startswith("instances") or name == "accuracies.jsonl":
            assert a[name] == b[name]
    one, two = (load_table(tmp_path / n / "table.npz") for n in "ab")
    assert one.omega["fisher"].tobytes() == two.omega["fisher"].tobytes()
    assert one.provenance == two.provenance


@pytest.mark.parametrize(
    ("budget", "words"),
    [("1.5", r"smallest feasible limit is [\d.,]+ kB \(2 bits"), ("10B", r"allows 0\.010 kB, and")],
)
def test_an_infeasible_budget_is_told_before_any_work(
    tmp_path: Path, budget: str, words: str
) -> None:
    with pytest.raises(InfeasibleError, match=words):
        run_job(tiny_job(tmp_path, budgets=(parse_budget(budget),)), quiet)
    assert not list(tmp_path.iterdir())


def test_an_interruption_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measurement.Remembered, "__setitem__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_job(tiny_job(tmp_path), quiet)
    monkeypatch.undo()
    assert load_table(tmp_path / "table.npz").metrics == ("fisher", "weight_mse")
    assert load_records(tmp_path / "records.jsonl")
    said: list[str] = []
    run_job(tiny_job(tmp_path), said.append)
    assert not [text for text in said if text.startswith("computing")]


def test_bug_a_run_was_silent_while_perturbations_were_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SILENCE", 0.0)
    said: list[str] = []
    run_job(tiny_job(tmp_path), said.append)
    found = [text for text in said if text.startswith("perturbations")]
    assert found == [f"perturbations: {number} of 12" for number in range(12)]


def test_progress_is_told_now_and_then_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SILENCE", 1e9)
    said: list[str] = []
    run_job(tiny_job(tmp_path), said.append)
    steps = ("measuring plans", "evaluating")
    assert not [text for text in said if " of " in text and not text.startswith(steps)]


@pytest.mark.parametrize(
    "content",
    ["notes", Record("mine", "i", "core", "optimal", 1.0, 1.0, 0.1).to_line()],
)
def test_bug_a_run_replaced_the_records_of_another_command(tmp_path: Path, content: str) -> None:
    (tmp_path / "records.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"records\.jsonl"):
        run_job(tiny_job(tmp_path), quiet)
    assert (tmp_path / "records.jsonl").read_text() == content


def test_a_damaged_accuracy_file_is_named(tmp_path: Path) -> None:
    run_job(tiny_job(tmp_path), quiet)
    (tmp_path / "accuracies.jsonl").write_text("{")
    with pytest.raises(DataError, match=r"accuracies.jsonl is not a bitknap.accuracies/3 file"):
        run_job(tiny_job(tmp_path), quiet)


def test_other_measures_and_notes_are_shown_beside_the_accuracy(tmp_path: Path) -> None:
    plain = tiny_workload()

    def evaluate(network: nn.Module) -> Accuracy:
        found = plain.evaluate(network)
        return replace(found, measures={"mistakes made": float(found.total - found.correct)})

    workload = replace(plain, evaluate=evaluate, notes=("A sentence of its own.",))
    results = run_job(tiny_job(tmp_path, workload=workload, metrics=("fisher",)), quiet)
    (table,) = measure_tables(results).values()
    assert table.title == "Mistakes made repaired, by budget"
    shown = {row[0]: row[1:] for row in table.rows}
    accuracies = {row[0]: row[1:] for row in accuracy_table(results, "auto").rows}
    assert shown.keys() == accuracies.keys()
    for plan, mistakes in shown.items():
        for count, percent in zip(mistakes, accuracies[plan], strict=True):
            if count != "-":
                assert float(count) == pytest.approx(200 - 2 * float(percent), abs=0.06)
    assert "A sentence of its own." in accuracy_table(results).notes
    page = write_report(tmp_path, only=["accuracy"]).read_text()
    assert "Mistakes made repaired, by budget" in page
    assert (tmp_path / "tables" / "mistakes_made.csv").exists()
    again = run_job(tiny_job(tmp_path, workload=workload, metrics=("fisher",)), quiet)
    assert again.measured == results.measured


def test_other_choices_and_quantizers_run_end_to_end(tmp_path: Path) -> None:
    quantizer = CachedQuantizer.parse("affine,group=10,scale=minmax")
    job = tiny_job(
        tmp_path,
        metrics=("fisher", "loss"),
        bits=("ternary", 2, 4, "float"),
        budgets=(parse_budget("3"), parse_budget("9")),
        solvers=("core", "greedy"),
        quantizer=quantizer,
        policy=LayerPolicy(pin=(("@last", "float"),)),
    )
    results = run_job(job, quiet)
    table = results.table
    assert table.labels == ("ternary", "2", "4", "float") * 2 + ("float",)
    assert table.bits.tolist() == [2, 2, 4, 32] * 2 + [32]
    assert not table.omega["loss"][table.bits == 32].any()
    sizes = [8 * 8 + 4 * 32, 36 * 2 + 4 * 34, 36 * 4 + 4 * 36, 36 * 32]
    assert table.costs["size_bits"][:4].tolist() == sizes
    assert {m.allocation["5"] for m in results.measured if m.allocation} == {"float"}
    uniform = [m for m in results.measured if (m.plan, m.repair) == ("uniform", "none")]
    assert [m.budget for m in uniform] == list(table.choices)
    rows = {m.budget: m.average_bits for m in results.measured if m.plan == "uniform"}
    weights = [36, 144 * 16, 48]
    trits = 8 * (8 + 461)
    assert rows["ternary"] == (trits + 32 * weights[2]) / sum(weights)
    assert write_report(tmp_path).exists()
    said: list[str] = []
    run_job(replace(job, quantizer=CachedQuantizer()), said.append)
    assert any("was made with other quantizer" in text for text in said)


def test_bug_a_run_gave_its_solvers_no_limit(done: Results, tmp_path: Path) -> None:
    assert {row.time_limit for row in load_records(done.out / "records.jsonl")} == {60.0}
    late = run_job(tiny_job(tmp_path, solvers=("core", "highs"), time_limit=0.0), quiet)
    rows = [row for row in load_records(late.out / "records.jsonl") if row.solver == "highs"]
    assert {(row.status, row.time_limit) for row in rows} == {("no_solution", 0.0)}
    assert all("the time limit was met" in row.message for row in rows)
    with pytest.raises(DataError, match="add one to --solvers, or allow more time"):
        run_job(tiny_job(tmp_path / "b", solvers=("highs",), time_limit=0.0), quiet)


def test_recommended_plans_are_kept_and_no_worse_than_the_metrics(tmp_path: Path) -> None:
    done = run_job(tiny_job(tmp_path), quiet)
    for budget, found in done.recommended.items():
        instance = done.instances["fisher", budget]
        assert instance.is_feasible(instance.from_labels(dict(found.plan)))
        plan = Plan.load(done.out / "plans" / f"{budget}.json")
        assert (dict(plan.choices), plan.budget) == (dict(found.plan), budget)
        assert plan.prediction is not None
        assert plan.prediction.value >= done.best("fisher", budget).objective
        assert read_plan(done.out / "plans" / f"{budget}.json") == plan.choices
        assert all(row.behind >= 0 for row in found.candidates if row.samples == 64)
    assert load_results(done.out).recommended == done.recommended


def test_a_job_may_recommend_and_repair_nothing(tmp_path: Path) -> None:
    results = run_job(tiny_job(tmp_path, measure=0, repair="none", metrics=("fisher",)), quiet)
    assert not results.recommended
    assert {m.repair for m in results.measured} == {"none"}
    assert not (tmp_path / "plans").exists()


def test_a_short_run_measures_the_recommended_plans_uniform_and_float(tmp_path: Path) -> None:
    results = run_job(tiny_job(tmp_path, full=False), quiet)
    assert {m.plan for m in results.measured} == {"float", "uniform", "recommended"}
    assert {m.repair for m in results.measured if m.allocation} == {"auto"}
    assert {m.budget for m in results.measured if m.plan == "uniform"} == {"2", "3", "4"}
    assert write_report(tmp_path).exists()


def test_a_finding_says_within_noise_where_it_is(done: Results) -> None:
    rows = plan_rows(done)
    assert preferred(rows) == min((r for r in rows if r.to_float.level), key=lambda r: r.size_bits)
    assert "within noise of the float network" in finding(rows)
    worse = [replace(row, to_float=Difference(-0.2, 0.01)) for row in rows]
    assert preferred(worse).own.value == max(row.own.value for row in rows)
    assert "20.00 points below the float network" in finding(worse)
    better = [replace(row, to_uniform=Difference(0.05, 0.01)) for row in rows]
    assert "5.00 points above uniform" in finding(better)
    assert "within noise of each other" not in finding(better)


def test_the_end_of_a_run_names_the_plan_and_the_next_command(done: Results) -> None:
    said, plan, after = plan_lines(done)
    assert said == finding(plan_rows(done))
    path = plan.removeprefix("plan: ")
    assert Plan.load(path).choices
    assert after == f"next: bitknap apply {path} tiny --packed --out {done.out}/model.safetensors"
