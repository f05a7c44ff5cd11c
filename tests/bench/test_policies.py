"""Policies and ties from the command line to measured accuracy, and what ties cost."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from torch import Tensor, nn

from bitknap.bench.job.results import load_results
from bitknap.bench.job.run import Job, run_job
from bitknap.bench.job.ties import price_ties, trace_workload, with_found_ties
from bitknap.bench.report.write import write_report
from bitknap.plans.budgets import parse_budget
from bitknap.problems import DataError, InfeasibleError, load_instance
from bitknap.sensitivity import LayerPolicy, Tie, load_table, save_table, sensitivity_table
from bitknap.solvers import solve

from .commands import call
from .tables import random_table
from .tiny import tiny_workload


class Residual(nn.Module):
    """Two layers whose outputs are added, between two others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(36, 16), nn.Linear(16, 3)
        self.left, self.right = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.flatten(1)).relu()
        return self.last((self.left(h) + self.right(h.tanh())).relu())


def test_a_run_keeps_its_policy_and_the_ties_it_finds(tmp_path: Path) -> None:
    workload = dataclasses.replace(tiny_workload(), model=Residual().eval())
    job = Job(
        workload=workload,
        metrics=("fisher",),
        bits=(2, 3, 4, 8),
        budgets=(parse_budget("4"),),
        solvers=("core", "greedy"),
        samples=32,
        seed=0,
        out=tmp_path,
        policy=LayerPolicy(pin=(("@last", "8"),), exclude=("@first",)),
        tie_kinds=("residual",),
        measure=4,
        full=True,
    )
    results = run_job(job, lambda text: None)
    instance = results.instances["fisher", "4"]
    assert instance.class_names == ("left", "right", "last")
    assert instance.ties == ((0, 1),)
    for solver in job.solvers:
        labels = results.solutions["fisher", "4", solver].labels
        assert labels is not None
        assert labels["last"] == "8"
        assert labels["left"] == labels["right"]
    assert all("first" not in row.allocation for row in results.measured)
    draws = [row.allocation for row in results.measured if row.plan == "random"]
    assert draws
    assert all(plan["last"] == "8" and plan["left"] == plan["right"] for plan in draws)
    stored = load_table(tmp_path / "table.npz")
    assert [layer.name for layer in stored.layers] == ["first", "left", "right", "last"]
    assert stored.ties == ()
    again = load_results(tmp_path)
    assert again.asked == results.asked
    assert again.table.ties == results.table.ties
    page = write_report(tmp_path, only=["what_was_run", "frontier"]).read_text()
    assert "left in float" in page


def test_prices_are_differences_of_optima() -> None:
    ties = (Tie(("l0", "l1"), "a"), Tie(("l2", "l3", "l4"), "b"))
    table = dataclasses.replace(random_table(seed=1), ties=ties)
    budget = table.capacity(4.2)
    found = price_ties(table, "fisher", budget)

    def loss(*chosen: Tie) -> float:
        part = dataclasses.replace(table, ties=chosen)
        objective = solve(part.to_instance("fisher", budget), "brute").objective
        assert objective is not None
        return objective

    assert found.free == pytest.approx(loss())
    assert found.tied == pytest.approx(loss(*ties))
    assert found.tied > found.free
    for priced, other in zip(found.ties, reversed(ties), strict=True):
        assert priced.alone == pytest.approx(loss(priced.tie) - loss(), abs=1e-12)
        assert priced.beside == pytest.approx(loss(*ties) - loss(other), abs=1e-12)


def test_found_ties_join_those_of_the_table_and_another_network_is_refused() -> None:
    workload = dataclasses.replace(tiny_workload(), model=Residual().eval())
    batches = workload.calibration(8, 0)
    table = sensitivity_table(workload.model, batches, metrics=())
    own = dataclasses.replace(table, ties=(Tie(("first", "left"), "mine"),))
    joined = with_found_ties(own, trace_workload(own, workload), ("residual",))
    assert joined.ties == (Tie(("first", "left", "right"), "mine; outputs added"),)
    with pytest.raises(DataError, match=r"no parameter 'l0\.weight'"):
        trace_workload(random_table(), workload)


def test_bug_uniform_bits_broke_ties_of_layers_with_other_choices() -> None:
    policy = LayerPolicy(allow=(("l1", ("2", "4")),), tie=("l{1,2}",))
    table = policy.apply(random_table())
    assert list(table.uniform(8).values()) == ["8", "4", "4", "8", "8", "8"]
    assert table.uniform(3) == dict.fromkeys(table.uniform(3), "2")


def test_the_ties_command_prices_and_writes(tmp_path: Path) -> None:
    path, out = tmp_path / "t.npz", tmp_path / "tied.npz"
    save_table(random_table(), path)
    asked = [path, "--tie", "l{0,1}", "--tie", "l{2,3}", "--pin", "l5=8", "--budgets", "4,5"]
    document = json.loads(call("ties", *asked, "--json", "--out", out))
    assert [tie["layers"] for tie in document["ties"]] == [["l0", "l1"], ["l2", "l3"]]
    prices = document["prices"]["4"]
    assert prices["with_ties"] >= prices["without_ties"]
    assert len(prices["ties"]) == 2
    assert len(load_table(out).ties) == 2
    shown = call("ties", *asked)
    assert "beside the others at 5" in shown
    assert "pattern l{0,1}" in shown
    assert "No ties" in call("ties", path)
    certain = json.loads(
        call(
            "confidence", out, "--budgets", "4", "--resamples", "20", "--allow", "l4=2,4", "--json"
        )
    )
    layers = certain["budgets"][0]["layers"]
    assert layers["l5"]["share"] == {"8": 1.0}
    assert layers["l0"]["share"] == layers["l1"]["share"]
    assert "8" not in layers["l4"]["share"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pin", "l0"], "--pin must be GLOB=BITS, got 'l0'"),
        (["--allow", "=2"], "--allow must be GLOB=BITS"),
        (["--allow", "l0=2,,4"], "--allow must be names or numbers"),
        (["--tie", "l0"], "a tie needs two layers"),
        (["--exclude", "conv*"], "no layer matches"),
    ],
)
def test_bad_policies_are_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    path = tmp_path / "t.npz"
    save_table(random_table(), path)
    with pytest.raises(DataError, match=words):
        call("ties", path, *arguments)
    with pytest.raises(DataError, match="a kind of tie is one of residual"):
        call("run", "--find-ties", "all")


def test_an_instance_with_all_resources_is_built_and_solved(tmp_path: Path) -> None:
    table = random_table()
    save_table(table, tmp_path / "t.npz")
    rows = [f"{layer.name},{b},8,{b / 4}" for layer in table.layers for b in (2, 4, 8)]
    (tmp_path / "ms.csv").write_text("\n".join(["layer,w_bits,a_bits,ms", *rows]))
    out = tmp_path / "i.json"
    every = ["--budget", "5", "--max-bops", "1000000", "--latency", tmp_path / "ms.csv"]
    call("build", tmp_path / "t.npz", "--out", out, *every, "--max-ms", "5.5",
         "--activation-bits", "8", "--exclude", "l1", "--pin", "@last=8")  # fmt: skip
    instance = load_instance(out)
    assert instance.resources == ("size_bits", "bops", "latency_ns")
    weights = table.weights - table.layers[1].numel
    assert instance.capacity.tolist() == [5 * weights + 5 * 32, 10**6, 5_500_000]
    assert instance.weight[1, 0] == table.layers[0].macs * 2 * 8
    solution = solve(instance, "brute")
    assert solution.usage is not None
    assert solution.usage[2] <= 5_500_000
    for wrong, words in (
        ([], "at least one limit"),
        (["--latency", tmp_path / "ms.csv"], "go together"),
        (["--max-ms", "3"], "go together"),
    ):
        with pytest.raises(DataError, match=words):
            call("build", tmp_path / "t.npz", "--out", out, *wrong)
    written = out.read_bytes()
    for limit in (["--budget", "0.5"], ["--max-bops", "1"]):
        with pytest.raises(InfeasibleError, match="the smallest feasible limit is"):
            call("build", tmp_path / "t.npz", "--out", out, *limit)
    assert out.read_bytes() == written
