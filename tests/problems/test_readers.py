"""Text files of the multi-resource literature."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitknap.problems import InstanceError
from bitknap.problems.library import find_instance
from bitknap.problems.readers import read_mmkp

TEXT = """2 2
7 9
2
10 1 2
14.5 3 4
3
1 0 0
5 2 2
9 4 9
"""


def test_profits_become_costs_and_everything_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "small.txt"
    path.write_text(TEXT)
    instance = read_mmkp(path)
    assert instance.name == "small"
    assert instance.offsets.tolist() == [0, 2, 5]
    assert instance.cost.tolist() == [4.5, 0.0, 8.0, 4.0, 0.0]
    assert instance.weight.tolist() == [[1, 3, 0, 2, 4], [2, 4, 0, 2, 9]]
    assert instance.capacity.tolist() == [7, 9]
    assert "profit = 23.5 - cost" in instance.source
    assert find_instance(str(path)).cost.tolist() == instance.cost.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ends before the number of classes"),
        ("0 1", "number of classes must be a whole number of at least 1, got 0"),
        ("1 1 5 1 3", "ends before weight 0 of item 0 of class 0"),
        ("1 1 5 1 x 2", "profit of item 0 of class 0 must be a number, got 'x'"),
        ("1 1 5 1 3 2.5", "must be a whole number"),
        ("1 1 5 1 3 -2", "must be a whole number"),
        ("1 1 nan 1 3 2", "capacity 0 must be a whole number"),
        (TEXT + "3", "continues after the last of its 2 classes"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InstanceError, match=words) as raised:
        read_mmkp(path)
    assert str(raised.value).startswith(str(path))


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="no such file"):
        read_mmkp(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InstanceError, match="is not UTF-8 text"):
        read_mmkp(tmp_path / "b.txt")
