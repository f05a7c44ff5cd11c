"""Solvers that sleep, eat memory, crash or lie are recorded as such, and stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitknap.bench.records.record import load_records

from .conftest import bitknap, outcomes, plant

BODIES = {
    "sleeper": "time.sleep(100)",
    "eater": "hoard = [np.ones(2_000_000) for _ in range(1000) if not time.sleep(0.001)]",
    "gulper": "hoard = np.ones(10_000_000_000)",
    "crasher": "os.kill(os.getpid(), signal.SIGSEGV)",
    "quitter": "print('no reason', file=sys.stderr); sys.stderr.flush(); os._exit(3)",
    "raiser": "raise RuntimeError('no such luck')",
    "liar": "return Outcome(Status.OPTIMAL, start)",
    "braggart": "return Outcome(Status.OPTIMAL, improve(instance, start))",
    "printer": "print('to stdout'); os.write(1, b'more')",
    "parent": "subprocess.run([sys.executable, '-c', SLEEP], start_new_session=True)",
}
"""Solver -> what it does on instances of more than two classes."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, str, Path]:
    """Exit code, output and folder of a suite of all planted solvers, and core."""
    folder = tmp_path_factory.mktemp("planted")
    home = plant(folder / "home", BODIES)
    (folder / "mean.toml").write_text(
        f"solvers = {json.dumps([*BODIES, 'core'])}\n"
        "time_limit = 2\ngrace = 1\nmemory_limit = 150\nrepeat = 2\n"
        '[[instances]]\nfamily = "mpq"\nclasses = 54\n'
    )
    done = bitknap(
        *("bench", folder / "mean.toml", "--out", folder / "out", "--workers", 2, "--json"),
        home=home,
    )
    stdout, stderr = done.communicate(timeout=120)
    return done.returncode, stdout, stderr, folder / "out"


def test_processor_time_is_taken_of_what_answered(run: tuple[int, str, str, Path]) -> None:
    records = {record.solver: record for record in load_records(run[3] / "records.jsonl")}
    assert records["sleeper"].cpu_seconds is None
    assert 0 < (records["core"].cpu_seconds or 0) < 2


def of(run: tuple[int, str, str, Path], solver: str) -> list[dict[str, Any]]:
    return [row for row in outcomes(run[3]) if row["solver"] == solver]


@pytest.mark.parametrize(
    ("solver", "status", "words"),
    [
        ("sleeper", "killed", "did not keep its time limit and was killed after 3 s"),
        ("parent", "killed", "did not keep its time limit"),
        ("eater", "memory", "150 MB"),
        ("gulper", "memory", "beyond the limit"),
        ("crasher", "crashed", "its process died of SIGSEGV"),
        ("quitter", "crashed", "ended with exit code 3: no reason"),
        ("raiser", "crashed", "RuntimeError: no such luck"),
        ("liar", "refuted", "calls the choice optimal, but item"),
    ],
)
def test_what_goes_wrong_is_recorded_once(
    run: tuple[int, str, str, Path], solver: str, status: str, words: str
) -> None:
    (row,) = of(run, solver)
    assert row["status"] == status
    assert words in row["message"]
    assert (row["objective"], row["bound"]) == (None, None)
    assert f"{solver} on mpq-54-3-1: {status}" in run[2]


def test_the_others_are_not_disturbed(run: tuple[int, str, str, Path]) -> None:
    rows = of(run, "core")
    assert [row["status"] for row in rows] == ["optimal"] * 2
    assert [row["repeat"] for row in rows] == [0, 1]
    assert rows[0]["objective"] == rows[0]["bound"]
    assert rows[0]["items"] == 162
    assert rows[0]["time_limit"] == 2
    assert rows[0]["memory_limit"] == 150_000_000


def test_prints_of_solvers_do_not_reach_stdout(run: tuple[int, str, str, Path]) -> None:
    document = json.loads(run[1])
    assert {row["solver"] for row in document["solvers"]} == {*BODIES, "core"}
    (row,) = of(run, "printer")
    assert row["status"] == "feasible"


def test_a_lie_that_no_single_change_refutes_is_shown_as_a_contradiction(
    run: tuple[int, str, str, Path],
) -> None:
    code, stdout, *_ = run
    assert code == 1
    (sentence,) = json.loads(stdout)["contradictions"]
    assert "braggart claims the optimum" in sentence
    assert "core has a feasible choice" in sentence
    (row,) = (row for row in json.loads(stdout)["solvers"] if row["solver"] == "braggart")
    assert (row["success_rate"], row["correct_rate"]) == (1.0, 0.0)


def test_nothing_is_left_running(run: tuple[int, str, str, Path]) -> None:
    commands = [
        path.read_bytes()
        for pid in os.listdir("/proc")
        if pid.isdecimal() and (path := Path("/proc", pid, "cmdline")).exists()
    ]
    assert not [c for c in commands if b"time.sleep(1.5 * 99)" in c]


def test_a_solver_that_hangs_in_its_warm_up_is_killed(
    tmp_path: Path, write_suite: Callable[..., Path]
) -> None:
    home = plant(tmp_path / "home", {"stubborn": "pass"})
    method = home / "bitknap" / "solvers" / "methods" / "stubborn.py"
    method.write_text(method.read_text().replace("start =", "time.sleep(50); start ="))
    suite = write_suite('solvers = ["stubborn"]', "warm_up = 1.5", "repeat = 1")
    done = bitknap("bench", suite, "--out", tmp_path / "out", home=home)
    _, stderr = done.communicate(timeout=60)
    assert done.returncode == 0, stderr
    (row,) = outcomes(tmp_path / "out")
    assert row["status"] == "killed"
    assert row["message"].startswith("in the warm-up: did not keep its warm-up")


def with_newcomer(folder: Path, suite: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    """The package with one more file, and the rows of a suite's summary."""
    home = plant(folder / "home", {"newcomer": "return Outcome(Status.FEASIBLE, start)"})
    method = home / "bitknap" / "solvers" / "methods" / "newcomer.py"
    method.write_text(method.read_text().replace("exact: ClassVar[bool] = True", "exact = False"))
    done = bitknap("bench", suite, "--out", folder / "out", "--workers", 2, "--json", home=home)
    stdout, stderr = done.communicate(timeout=120)
    assert done.returncode == 0, stderr
    return home, {row["solver"]: row for row in json.loads(stdout)["solvers"]}


def test_a_new_solver_is_one_file(tmp_path: Path, write_suite: Callable[..., Path]) -> None:
    suite = write_suite('solvers = ["newcomer", "lp"]', "repeat = 1", classes="[3]")
    _, rows = with_newcomer(tmp_path, suite)
    assert set(rows) == {"newcomer", "lp"}
    assert rows["newcomer"]["success_rate"] == 1.0


@pytest.mark.slow
def test_a_new_solver_is_in_the_report(tmp_path: Path, write_suite: Callable[..., Path]) -> None:
    suite = write_suite('solvers = ["heuristic"]', "repeat = 1", classes="[3]")
    home, rows = with_newcomer(tmp_path, suite)
    assert {"newcomer", "greedy", "lp"} <= set(rows)
    done = bitknap("report", tmp_path / "out", "--out", tmp_path / "page", home=home)
    _, stderr = done.communicate(timeout=120)
    assert done.returncode == 0, stderr
    assert "newcomer" in (tmp_path / "page" / "report.html").read_text()
    assert "newcomer" in (tmp_path / "page" / "tables" / "solvers.csv").read_text()
