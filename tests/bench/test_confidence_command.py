"""``bitknap confidence`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitknap.bench.job.plan_files import load_plan
from bitknap.problems import BitknapError, DataError, InfeasibleError
from bitknap.sensitivity import save_table

from .commands import call
from .tables import random_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    save_table(random_table(), tmp_path / "table.npz")
    return tmp_path / "table.npz"


def test_json_is_the_same_twice_and_files_hold_it(table: Path, tmp_path: Path) -> None:
    asked = [table, "--budgets", "3.5,300B", "--resamples", "50", "--robust", "1", "--json"]
    first = call("confidence", *asked)
    assert call("confidence", *asked, "--out", tmp_path / "out") == first
    assert (tmp_path / "out" / "confidence.json").read_text() == first
    assert (tmp_path / "out" / "stability_fisher_300B.svg").exists()
    document = json.loads(first)
    assert document["format"] == "bitknap.confidence/1"
    assert [entry["budget"] for entry in document["budgets"]] == ["3.5", "300B"]
    entry = document["budgets"][0]
    assert entry["robust"]["price"] >= 0
    for layer in entry["layers"].values():
        assert layer["share"].get(layer["choice"], 0) == layer["kept"]
    assert call("confidence", *asked, "--seed", "1") != first


def test_a_person_reads_layers_samples_and_the_comparison(table: Path, tmp_path: Path) -> None:
    low = {f"l{i}": 2 for i in range(6)}
    (tmp_path / "low.json").write_text(json.dumps(low))
    asked = [table, "--budgets", "3.5", "--resamples", "50", "--plan-a", tmp_path / "low.json"]
    shown = call("confidence", *asked)
    for words in ("Layers at 3.5", "least sure layer", "excess predicted loss", "beats plan B"):
        assert words in shown
    assert "with probability 0.000" in shown


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["--budgets", "3", "--metric", "loss_only"], DataError, "keeps no per-sample scores"),
        (["--budgets", "much"], DataError, "a budget must be average bits"),
        (["--budgets", "1.5"], InfeasibleError, "the smallest feasible limit"),
        (["--budgets", "3", "--plan-b", "x.json"], DataError, "--plan-b is compared with --plan-a"),
        (["--budgets", "3", "--plan-a", "x.json"], DataError, "x.json: no such file"),
        (["--budgets", "3", "--robust", "1", "--robust-quantile", "0.9"], DataError, "either"),
    ],
)
def test_bad_input_is_one_sentence(
    table: Path, arguments: list[str], kind: type[BitknapError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        call("confidence", table, *arguments)
    assert "\n" not in str(caught.value)


def test_plan_files(tmp_path: Path) -> None:
    table = random_table()
    path = tmp_path / "plan.json"
    plan = {f"l{i}": ("2", 4, 8)[i % 3] for i in range(6)}
    path.write_text(json.dumps(plan))
    assert load_plan(path, table).tolist() == [0, 4, 8, 9, 13, 17]
    path.write_text(json.dumps({"format": "bitknap.solution/1", "choice": plan}))
    assert load_plan(path, table).tolist() == [0, 4, 8, 9, 13, 17]
    for text, words in (
        ("{", "not valid JSON"),
        ("[1]", "must hold one JSON object"),
        (json.dumps({"format": "bitknap.solution/1", "choice": None}), "holds no plan"),
        (json.dumps(plan | {"x": 2}), "has no layer 'x'"),
        (json.dumps({"l0": 2}), "no choice for layer 'l1'"),
        (json.dumps(plan | {"l1": 3}), "layer 'l1' has no choice '3', only 2, 4, 8"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            load_plan(path, table)
