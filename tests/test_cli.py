"""The command line as a user meets it: outputs, exit codes, sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitknap.cli import COMMANDS
from bitknap.commands._progress import Remaining, progress

from .fuzz.harness import run

INSTANCE = {
    "format": "bitknap.instance/1",
    "name": "two",
    "resources": ["size_bits"],
    "capacity": [4000],
    "classes": [
        {
            "name": name,
            "items": [
                {"label": "2", "cost": 0.31, "weight": [864]},
                {"label": "4", "cost": 0.02, "weight": [1728]},
            ],
        }
        for name in ("conv1", "conv2")
    ],
}


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    path = tmp_path / "two.json"
    path.write_text(json.dumps(INSTANCE))
    return path


@pytest.mark.parametrize("solver", ["greedy", "dp", "cbc", "highs", "cpsat"])
def test_solve_prints_one_json_object(instance: Path, solver: str) -> None:
    done = run("solve", instance, "--solver", solver, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["choice"] == {"conv1": "4", "conv2": "4"}
    assert answer["usage"] == {"size_bits": 3456}
    assert answer["objective"] == 0.04
    assert answer["solver"] == solver
    assert answer["seconds"] > 0
    if solver != "greedy":
        assert (answer["status"], answer["bound"], answer["gap"]) == ("optimal", 0.04, 0.0)


def test_solve_for_a_person_and_into_a_file(instance: Path, tmp_path: Path) -> None:
    done = run("solve", instance, "--solver", "dp", "--out", tmp_path / "deep" / "s.json")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        "optimal: 4.000 bits per weight, 0.432 kB",
        "  objective 0.04 of two, by dp",
        "  size_bits: 3,456 of 4,000, 544 left",
    ]
    assert "seconds" not in done.stdout
    assert json.loads((tmp_path / "deep" / "s.json").read_text())["objective"] == 0.04


def test_infeasible_exits_with_3_and_names_the_smallest_capacity(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps(INSTANCE | {"capacity": [1000]}))
    done = run("solve", path, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "infeasible"
    assert "smallest feasible limit is 1728" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "none.json"], "bitknap: none.json: no such file"),
        (["solve", "{instance}", "--solver", "gredy"], "no solver is named 'gredy'"),
        (["solve", "{instance}", "--time-limit", "soon"], "Invalid value"),
        (["solve"], "Missing argument"),
        (["slove"], "Did you mean 'solve'"),
        (["run", "--budgets", "tiny"], "a budget must be average bits per weight"),
        (["run", "--bits", "2,three"], "--bits must be whole numbers from 2 to 16"),
        (["run", "--bits", "1,2"], "--bits must be whole numbers from 2 to 16"),
        (["run", "--quantizer", "afine"], "--quantizer is made of"),
        (["run", "--workload", "cifar"], "no workload is named 'cifar'"),
        (["run", "--metrics", "hesian"], "no metric is named 'hesian'"),
        (["run", "--solvers", "gredy"], "no solver is named 'gredy'"),
        (["run", "--samples", "0"], "Invalid value"),
        (["run", "--metrics", ""], "--metrics must be names"),
        (["paper", "--network", "resnet50"], "--weights and --network go with --imagenet DIR"),
        (["paper", "--imagenet", "d", "--data", "d"], "--imagenet runs without it"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    instance: Path, arguments: list[str], words: str
) -> None:
    done = run(*[a.format(instance=instance) for a in arguments])
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["solve", "frontier", "generate", "export", "bench"])
def test_a_place_that_cannot_be_written_loses_no_result(
    instance: Path, tmp_path: Path, name: str
) -> None:
    """It is told in one sentence, after what was found."""
    (tmp_path / "taken").touch()
    arguments, shown = {
        "solve": (["solve", instance, "--json", "--out", "taken/s.json"], '"status": "optimal"'),
        "frontier": (["frontier", instance, "--json", "--out", "taken/f.csv"], '"objective"'),
        "generate": (["generate", "mpq", "--out", "taken/i.json"], ""),
        "export": (["export", instance, "--out", "taken/i.lp"], ""),
        "bench": (["bench", "tiers", "--quick", "--out", "taken"], ""),
    }[name]
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("bitknap: ")
    assert shown in done.stdout


def test_list_names_every_plug_in() -> None:
    found = json.loads(run("list", "--json").stdout)
    assert {"greedy", "dp", "cbc", "highs", "cpsat"} <= set(found["solvers"])
    assert {"fisher", "weight_mse", "loss"} <= set(found["metrics"])
    assert {"fashion-resnet18", "fashion-mobilenetv2"} <= set(found["workloads"])


def test_list_tells_the_kind_of_solvers_and_what_they_need() -> None:
    rows = [line.split() for line in run("list").stdout.splitlines()]
    assert ["core", "exact"] in [row[:2] for row in rows]
    assert ["cpsat", "exact", "ortools"] in [row[:3] for row in rows]
    assert ["greedy", "heuristic"] in [row[:2] for row in rows]


def test_help_lists_the_commands_and_version_is_the_package_s() -> None:
    from bitknap import __version__

    assert run("--version").stdout == f"bitknap {__version__}\n"
    shown = run("--help").stdout
    for name in ("run", "solve", "list", "verify", "frontier", "topk", "instances", "bench"):
        assert name in shown
    panels = [shown.index(f" {panel} ") for panel in ("Start", "Your network", "Research")]
    assert sorted(panels) == panels
    assert panels[0] < shown.index(" run ") < panels[1] < shown.index(" solve ") < panels[2]
    assert run("-h").stdout == shown


def test_every_command_shows_an_example_and_no_broken_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in COMMANDS.names():
        assert f"Example: bitknap {name}" in COMMANDS.load(name).__doc__, name
    monkeypatch.setenv("COLUMNS", "200")
    wide = run("solve", "-h").stdout
    assert "3 when no choice fits the capacity, 4 when the limits" in wide


def test_metrics_states_what_each_costs() -> None:
    found = json.loads(run("metrics", "--json").stdout)
    assert found["fisher"]["passes"] == "1 forward + 1 backward"
    assert found["fisher"]["scores"] is True
    assert len(found) >= 14


def test_a_solve_shows_what_preprocessing_removed(instance: Path) -> None:
    shown = run("solve", instance, "--stats").stdout
    for name in ("classes fixed", "items left", "lp bound"):
        assert name in shown


def test_a_log_gets_a_line_for_each_step_but_few_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("working") as say:
        for text in ("scores: 1 of 9", "scores: 2 of 9", "solving fisher", "solving kl"):
            say(text)
    assert capsys.readouterr().err.splitlines() == [
        "scores: 1 of 9",
        "solving fisher",
        "solving kl",
    ]


def test_a_text_that_counts_says_how_long_is_left() -> None:
    now = iter([0.0, 0.0, 1.0, 60.0, 61.0, 61.0])
    left = Remaining(lambda: next(now))
    assert left.told("loading") == "loading"
    assert left.told("evaluating a: 1 of 9") == "evaluating a: 1 of 9"
    assert left.told("evaluating b: 2 of 9") == "evaluating b: 2 of 9"
    assert left.told("evaluating c: 7 of 9") == "evaluating c: 7 of 9, about 20 s left"
    assert left.told("network 1 of at most 80").endswith("80")


def test_time_left_begins_anew_with_each_count() -> None:
    clock = [0.0]
    left = Remaining(lambda: clock[0])
    found = []
    for budget in (2, 3):
        for number in (1, 2):
            text = f"plans at {budget}: network {number} of at most 4"
            found.append(left.told(text).removeprefix(text))
            clock[0] += 10.0
    assert found == ["", ", at most 20 s left"] * 2
