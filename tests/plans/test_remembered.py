"""Values kept in a file of JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitknap.plans.remembered import Remembered
from bitknap.problems import DataError

FORM = "bitknap.test/1"


def opened(path: Path, key: str = "k") -> Remembered[int]:
    return Remembered(path, FORM, key, int)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a = 3, b = 2."""
    values = opened(tmp_path / "values.jsonl")
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        values[name] = value
    return tmp_path / "values.jsonl"


def test_values_are_read_back_and_the_last_of_a_name_counts(path: Path) -> None:
    again = opened(path)
    assert (again["a"], again["b"], len(again)) == (3, 2, 2)


def test_a_value_costs_one_line(path: Path) -> None:
    values = opened(path)
    values["c"] = 4
    before = path.read_bytes()
    values["d"] = 5
    assert path.read_bytes().startswith(before)
    assert path.read_bytes().count(b"\n") == before.count(b"\n") + 1


def test_a_torn_last_line_is_dropped_and_nothing_else(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    values = opened(path)
    assert (values["a"], values["b"]) == (1, 2)
    values["a"] = 3
    again = opened(path)
    assert (again["a"], again["b"]) == (3, 2)


def test_values_of_other_inputs_are_dropped(path: Path) -> None:
    other = opened(path, "another")
    assert not len(other)
    other["a"] = 7
    assert not len(opened(path))
    assert opened(path, "another")["a"] == 7


def test_a_file_removed_meanwhile_is_written_again(path: Path) -> None:
    values = opened(path)
    values["c"] = 4
    path.unlink()
    values["d"] = 5
    assert len(opened(path)) == 4


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"value": 2', b'"value": 4', "line 3: it has another hash than it states"),
        (b"test/1", b"test/2", r"it starts with .*test/2"),
        (b'{"name": "b"', b'{"name": "c', "line 3: is not valid JSON"),
        (b'{"name": "b"', b'{"name": 5', "line 3: it has another hash"),
    ],
)
def test_a_damaged_file_is_refused(path: Path, old: bytes, new: bytes, why: str) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(DataError, match=f"is not a bitknap.test/1 file .{why}.*remove it"):
        opened(path)


def test_an_empty_file_is_refused(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"is not a bitknap\.test/1 file"):
        opened(path)
