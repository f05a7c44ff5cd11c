from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitknap.bench.records.record import load_records, record_of, save_records
from bitknap.problems import DataError, build_instance
from bitknap.solvers import solve


def test_round_trip(tmp_path: Path) -> None:
    solution = solve(build_instance([[(3, 1), (1, 2)]], 2), "dp")
    records = [record_of("suite", solution, seed=4), record_of("other", solution)]
    save_records(records, tmp_path / "r.jsonl")
    assert load_records(tmp_path / "r.jsonl") == records
    assert records[0].objective == 1.0
    assert records[0].seed == 4
    assert "numpy" in records[0].versions
    assert "cores" in records[0].machine


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"format": "bitknap.record/9"}', "3"])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    solution = solve(build_instance([[(3, 1)]], 2), "dp")
    path = tmp_path / "r.jsonl"
    save_records([record_of("suite", solution)], path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"line 2: is not a bitknap.record/3 record"):
        load_records(path)


def test_the_older_format_is_read(tmp_path: Path) -> None:
    row = {
        "format": "bitknap.record/1",
        "suite": "run",
        "instance": "i",
        "solver": "dp",
        "status": "optimal",
        "objective": 1.0,
        "bound": 1.0,
        "seconds": 0.5,
        "seed": 0,
        "parameters": {},
        "memory": None,
        "machine": "a machine",
        "versions": {"python": "3.11"},
    }
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (record,) = load_records(path)
    assert (record.instance, record.machine, record.repeat) == ("i", "a machine", 0)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_records(tmp_path / "r.jsonl")
