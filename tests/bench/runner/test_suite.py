"""Suite files: what they can say, and what is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bitknap.bench.records.record import Record
from bitknap.bench.runner import Suite, find_suite, run_suite, suite_files
from bitknap.bench.runner.cases import content_hash, facts_of
from bitknap.bench.runner.plan import is_final, remaining
from bitknap.bench.runner.suite import solver_names
from bitknap.bench.studies import STUDIES
from bitknap.bench.tables.table import Table
from bitknap.commands.bench import command
from bitknap.problems import (
    BitknapError,
    DataError,
    UnsupportedError,
    build_instance,
    save_instance,
)
from bitknap.problems.library import library_names
from bitknap.solvers import SOLVERS

FAMILY = '[[instances]]\nfamily = "mpq"\n'


class Silent:
    """Progress that nobody sees."""

    def say(self, text: str) -> None:
        """Nothing."""

    def total(self, runs: int) -> None:
        """Nothing."""

    def finished(self, record: Record, skipped: int) -> None:
        """Nothing."""


def read(folder: Path, text: str) -> Suite:
    path = folder / "mine.toml"
    path.write_text(text)
    return find_suite(str(path))


@pytest.mark.parametrize("name", suite_files())
def test_shipped_suites_can_be_read_and_say_what_they_show(name: str) -> None:
    suite = find_suite(name)
    assert suite.name == name
    assert suite.summary
    assert suite.solvers
    assert len(suite.cases) >= 5
    smallest = min(suite.cases, key=lambda case: case.parameters.get("classes", 1000))
    assert len(smallest.build()) >= 10


def test_the_suites_are_the_promised_ones() -> None:
    names = "smoke mpq pisinger multi-resource open published scaling large"
    assert set(suite_files()) == set(names.split())
    assert len(find_suite("published").cases) == len(library_names())


def test_a_file_says_instances_limits_and_solvers(tmp_path: Path) -> None:
    save_instance(build_instance([[(3, 1), (1, 2)]], 2, name="a"), tmp_path / "a.json")
    suite = read(
        tmp_path,
        'solvers = ["core", "heuristic"]\ntime_limit = 1.5\nmemory_limit = 300\nrepeat = 4\n'
        "seed = 9\n"
        + FAMILY
        + 'group = "mine"\nbits = [2, 4]\nvary = { classes = [5, 6], seed = [1, 2] }\n'
        '[[instances]]\nlibrary = "hawq_v3/resnet18_size_*"\n'
        '[[instances]]\nfiles = "*.json"\n',
    )
    assert suite.solvers[0] == "core"
    assert "greedy" in suite.solvers
    assert "highs" not in suite.solvers
    allowed = suite.allowance
    assert (allowed.time, allowed.memory, suite.repeat, suite.seed) == (1.5, 300_000_000, 4, 9)
    facts = [facts_of(case.build(), case) for case in suite.cases]
    assert [f.instance for f in facts[:4]] == [
        *("mine/mpq-5-2-1", "mine/mpq-5-2-2", "mine/mpq-6-2-1", "mine/mpq-6-2-2")
    ]
    assert {f.group for f in facts} == {"mine", "hawq_v3", "files"}
    assert (facts[-1].instance, facts[-1].classes, facts[-1].items) == ("a", 1, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the suite lacks the key 'instances'"),
        ("colour = 1\n" + FAMILY, "unknown key 'colour'"),
        ("repeat = 0\n" + FAMILY, "repeat of the suite must be an integer from 1 to 10,000, got 0"),
        ('time_limit = "long"\n' + FAMILY, "time_limit of the suite must be a finite number"),
        ("seed = 1.5\n" + FAMILY, "seed of the suite must be an integer"),
        ("[[instances]]\nclasses = 3\n", "needs one text of family, library, files"),
        (FAMILY + 'library = "x"\n', "needs one text of family, library, files"),
        (FAMILY + "vary = { classes = 3 }\n", "classes of vary of 'mpq' must be a list"),
        ('[[instances]]\nlibrary = "none*"\n', "library = 'none\\*' matches no instance"),
        ('[[instances]]\nfiles = "*.npz"\n', "matches no instance"),
        ('[[instances]]\nfiles = "*"\nclasses = 3\n', "files takes no 'classes'"),
        ("seed = \n", "not a readable TOML file"),
    ],
)
def test_a_malformed_file_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "mine.toml"))


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no solver is named 'gredy'"):
        read(tmp_path, 'solvers = ["gredy"]\n' + FAMILY)
    with pytest.raises(UnsupportedError, match="no family is named 'mqp'"):
        read(tmp_path, FAMILY.replace("mpq", "mqp"))
    with pytest.raises(DataError, match=r"the family 'mpq': .* 'layers'"):
        read(tmp_path, FAMILY + "layers = 3\n").cases[0].build()
    with pytest.raises(DataError, match="no such file"):
        find_suite(str(tmp_path / "none.toml"))


def test_words_for_solvers_stand_for_the_registered_ones() -> None:
    exact, heuristic = solver_names(["exact"]), solver_names(["heuristic"])
    assert set(exact) | set(heuristic) == set(SOLVERS.names()) == set(solver_names(["all"]))
    assert not set(exact) & set(heuristic)
    assert solver_names(["lp", "core", "lp"]) == ("lp", "core")


def test_the_hash_is_that_of_the_content() -> None:
    classes = [[(3.0, 1), (1.0, 2)], [(5.0, 1), (1.0, 3)]]
    one = build_instance(classes, 4, name="one")
    assert content_hash(one) == content_hash(build_instance(classes, 4, name="other"))
    for other in (
        build_instance(classes, 5),
        build_instance(classes, 4, ties=((0, 1),)),
        build_instance([classes[0], [(5.0, 1), (1.5, 3)]], 4),
    ):
        assert content_hash(one) != content_hash(other)


def plan(suite: Suite, records: list[Record]) -> list[tuple[str, str, tuple[int, ...]]]:
    cases = [(case, facts_of(case.build(), case)) for case in suite.cases]
    return [(t.solver, t.facts.instance, t.repeats) for t in remaining(suite, cases, records)]


def test_the_order_is_shuffled_by_the_seed(tmp_path: Path) -> None:
    suite = read(tmp_path, FAMILY + "vary = { classes = [3, 4, 5, 6] }\n")
    one, same, other = (plan(replace(suite, seed=seed), []) for seed in (1, 1, 2))
    assert one == same != other
    assert sorted(one) == sorted(other)
    assert len(one) == 4 * len(suite.solvers)


def test_what_is_recorded_is_left_out(tmp_path: Path) -> None:
    suite = read(tmp_path, 'solvers = ["lp", "core"]\nrepeat = 3\n' + FAMILY + "classes = 4\n")
    case = suite.cases[0]
    facts = facts_of(case.build(), case)

    def record(solver: str, status: str, repeat: int, **fields: bool) -> Record:
        return Record(
            *("mine", facts.instance, solver, status, None, None, 0.1),
            instance_hash=facts.instance_hash,
            repeat=repeat,
            **fields,  # type: ignore[arg-type]
        )

    done = [record("lp", "feasible", 0), record("core", "optimal", 1)]
    assert sorted(plan(suite, done)) == [
        ("core", facts.instance, (0, 2)),
        ("lp", facts.instance, (1, 2)),
    ]
    cut = [record("lp", "killed", 0), record("core", "feasible", 0, exact=True)]
    assert all(is_final(row) for row in cut)
    assert plan(suite, cut) == []


def test_a_folder_keeps_one_suite_under_one_set_of_limits(tmp_path: Path) -> None:
    suite = replace(read(tmp_path, FAMILY + "classes = 3\n"), solvers=())
    out = tmp_path / "out"
    assert run_suite(suite, out, Silent()) == []
    for other, key in (
        (replace(suite, seed=1), "seed"),
        (replace(suite, allowance=replace(suite.allowance, time=1.0)), "allowance"),
        (replace(suite, cases=(replace(suite.cases[0], parameters={"classes": 4}),)), "instances"),
    ):
        with pytest.raises(DataError, match=f"holds a run with another {key}"):
            run_suite(other, out, Silent())
    assert run_suite(replace(suite, repeat=7), out, Silent()) == []


def test_bug_back_ends_in_a_process_of_their_own_answer(tmp_path: Path) -> None:
    """From 1,000 items on they are forked, from a process whose thread waits for its input."""
    text = 'solvers = ["highs"]\ntime_limit = 20\nrepeat = 1\n' + FAMILY + "classes = 500\n"
    (record,) = run_suite(read(tmp_path, text), tmp_path / "out", Silent())
    assert record.items > 1000
    assert record.objective is not None, record.message
    assert record.seconds < 20


def test_two_instances_of_one_name_are_refused(tmp_path: Path) -> None:
    suite = read(tmp_path, FAMILY + "vary = { budget = [3.0, 4.0] }\n")
    with pytest.raises(DataError, match="named 'mpq-54-3-1'; give one of their"):
        run_suite(suite, tmp_path / "out", Silent())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nothing", {}, "no suite or study is named 'nothing'; choose one of: large"),
        ("tiers", {"repeat": 2}, "tiers is a study, which takes"),
        ("tiers", {"workers": 2}, "tiers is a study, which takes"),
        ("tiers", {"resume": False}, "tiers is a study, which takes"),
        ("smoke", {"resume": False, "out": Path()}, "exists; name another --out"),
        ("smoke", {"quick": True}, "smoke is a suite, which takes no --quick"),
        ("smoke", {"solvers": "core,gredy"}, "no solver is named 'gredy'"),
    ],
)
def test_wrong_arguments_are_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BitknapError, match=words):
        command(name, **options)


def test_without_a_name_suites_and_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    command()
    stdout = capsys.readouterr().out
    for name in (*suite_files(), "tiers", "speed-solvers", "speed-multi-resource"):
        assert f"  {name} " in stdout


def test_a_study_that_is_stopped_keeps_its_finished_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def study(quick: bool, say: Callable[[str], None]) -> Iterator[Table]:
        say("counting")
        yield Table("First", ("a",), [["1"]])
        raise KeyboardInterrupt

    monkeypatch.setattr(type(STUDIES), "load", lambda *_: study)
    with pytest.raises(KeyboardInterrupt):
        command("tiers", out=tmp_path)
    captured = capsys.readouterr()
    assert "First" in captured.out
    assert captured.err.splitlines() == ["counting", "finished First"]
    assert (tmp_path / "tiers-0.csv").read_text(encoding="utf-8").split() == ["a", "1"]
