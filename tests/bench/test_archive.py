"""Archives: records of several machines in one folder, kept apart, and protected by their hash."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bitknap.bench.measures.answers import answers_of
from bitknap.bench.records.archive import (
    archived_names,
    find_folder,
    kept_apart,
    load_manifest,
    merge_records,
    verified_records,
)
from bitknap.bench.records.record import RECORDS, Record, record_of, save_records
from bitknap.commands.bench import command
from bitknap.problems import DataError, build_instance
from bitknap.solvers import solve


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """One run here, and the same on another machine in a tenth of the time."""
    solution = solve(build_instance([[(2.0, 0), (1.0, 1)]], 1, name="two"))
    here = record_of("tiny", solution, exact=True)
    there = replace(here, machine="another machine", seconds=here.seconds / 10)
    found = []
    for name, record in {"here": here, "there": there}.items():
        save_records([record], tmp_path / name / RECORDS)
        found.append(tmp_path / name)
    return found


def test_records_of_two_machines_merge_and_stay_apart(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    manifest = merge_records([*folders, folders[0]], out, "somebody")
    assert (manifest.runs, len(manifest.machines), manifest.run_by) == (2, 2, ["somebody"])
    answers = answers_of(kept_apart(verified_records(out)))
    assert [(a.first.solver, len(a.runs)) for a in answers] == [("core on A", 1), ("core on B", 1)]
    again = merge_records([out], tmp_path / "again", "another")
    assert again == manifest


def test_one_machine_keeps_its_names(folders: list[Path]) -> None:
    assert [r.solver for r in kept_apart(verified_records(folders[0]))] == ["core"]


def test_a_changed_record_is_detected(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    merge_records(folders, out, "somebody")
    lines = (out / RECORDS).read_bytes().splitlines(keepends=True)
    row = json.loads(lines[0])
    row["seconds"] /= 2
    (out / RECORDS).write_bytes(json.dumps(row).encode() + b"\n" + lines[1])
    assert len([Record.from_line(line) for line in lines]) == 2
    with pytest.raises(DataError, match="records were changed"):
        verified_records(out)
    with pytest.raises(DataError, match="records were changed"):
        merge_records([out], tmp_path / "again", "somebody")


def test_the_command_merges_and_compares(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    command("merge", folders, out=out, run_by="somebody")
    assert "2 records of 2 machines" in capsys.readouterr().out
    command("compare", folders)
    shown = capsys.readouterr().out
    assert "another machine" in shown
    assert "Time in B over time in A" in shown


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("merge", [], "merge needs the folders"),
        ("compare", ["one"], "compare needs two folders"),
        ("smoke", ["one"], "smoke takes no folders"),
    ],
)
def test_wrong_numbers_of_folders_are_refused(name: str, given: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        command(name, [Path(folder) for folder in given])


def test_a_folder_with_records_is_not_overwritten(folders: list[Path]) -> None:
    with pytest.raises(DataError, match="name a new folder"):
        merge_records(folders[:1], folders[1], "somebody")


@pytest.mark.parametrize("name", archived_names())
def test_shipped_archives_are_as_they_were_made(name: str) -> None:
    manifest = load_manifest(find_folder(name))
    assert manifest is not None
    assert len(verified_records(find_folder(name))) == manifest.runs
