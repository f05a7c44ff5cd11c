"""Text files of the literature: one problem in every layout, and what is wrong with files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import InstanceError, UnsupportedError, build_instance
from bitknap.problems.library import find_instance
from bitknap.problems.readers import LAYOUTS, read_instance, read_instances

KHAN = "2 2 2\n 7 9\n 1\n 10.00 1 2\n 14.50 3 4\n 2\n 1.00 0 0\n 5.00 2 2\n"
IRREGULAR = "2 2\n7 9\n2\n10 1 2\n14.5 3 4\n3\n1 0 0\n5 2 2\n9 4 9\n"
REGULAR = [[(4.5, (1, 2)), (0, (3, 4))], [(4, (0, 0)), (0, (2, 2))]]
FILES = {
    "khan": KHAN + "-------\n Solutions by HEU\n 1 1 19.5\n",
    "mansi": "2 2 2\n7 9\n10 1 2\n14.5 3 4\n1 0 0\n5 2 2",
    "shojaei": "2 2\n7 9\n2\n10 1 2\n14.5 3 4\n2\n1 0 0\n5 2 2\n",
    "hiremath-hill": f"1\t{KHAN}\n",
}


@pytest.mark.parametrize("layout", FILES)
def test_every_layout_holds_the_same_problem(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_text(FILES[layout])
    (instance,) = read_instances(path)
    expected = build_instance(REGULAR, [7, 9])
    for field in ("offsets", "cost", "weight", "capacity"):
        assert np.array_equal(getattr(instance, field), getattr(expected, field)), field
    assert instance.name == ("small-1" if layout == "hiremath-hill" else "small")
    assert instance.source == f"small, layout {layout}; profit = 19.5 - cost"
    assert [x.source for x in read_instances(path, layout)] == [instance.source]


def test_every_layout_is_tested() -> None:
    assert LAYOUTS.names() == sorted([*FILES, "mckp"])
    for name in LAYOUTS.names():
        assert len(LAYOUTS.summary(name)) < 100


def test_classes_of_different_sizes(tmp_path: Path) -> None:
    path = tmp_path / "irregular.txt"
    path.write_text(IRREGULAR)
    instance = find_instance(str(path))
    assert instance.offsets.tolist() == [0, 2, 5]
    assert instance.cost.tolist() == [4.5, 0.0, 8.0, 4.0, 0.0]
    assert instance.weight.tolist() == [[1, 3, 0, 2, 4], [2, 4, 0, 2, 9]]
    assert instance.source == "irregular.txt, layout shojaei; profit = 23.5 - cost"


def test_one_resource(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("2 7\n2\n10 1\n14 3\n1\n5 2\n")
    instance = read_instance(path)
    assert instance.cost.tolist() == [4, 0, 0]
    assert (instance.weight.tolist(), instance.capacity.tolist()) == ([[1, 3, 2]], [7])
    assert instance.resources == ("weight",)
    assert "layout mckp" in instance.source


def test_several_problems_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    path.write_text(f"1 {KHAN}\n2 {KHAN.replace('7 9', '6 8')}")
    first, second = read_instances(path)
    assert (first.name, second.name) == ("set-1", "set-2")
    assert (first.capacity.tolist(), second.capacity.tolist()) == ([7, 9], [6, 8])
    with pytest.raises(InstanceError, match="holds 2 instances"):
        read_instance(path)


def test_what_fits_two_layouts_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "both"
    path.write_text("1 1 1 1 1 1")
    with pytest.raises(InstanceError, match=r"fits the layouts mansi and shojaei.*--layout"):
        read_instances(path)
    assert read_instances(path, "mansi")[0].n_items == 1
    with pytest.raises(UnsupportedError, match="choose one of: hiremath-hill, khan"):
        read_instances(path, "kahn")


@pytest.mark.parametrize(
    ("layout", "text", "words"),
    [
        ("shojaei", "", "ends before the number of classes"),
        ("shojaei", "0 1", "number of classes must be a whole number of at least 1, got 0"),
        ("shojaei", "1 1 5 1 3", "ends before weight 0 of item 0 of class 0"),
        ("shojaei", "1 1 5 1 x 2", "profit of item 0 of class 0 must be a number, got 'x'"),
        ("shojaei", "1 1 5 1 3 2.5", "must be a whole number"),
        ("shojaei", "1 1 5 1 3 -2", "must be a whole number"),
        ("shojaei", "1 1 nan 1 3 2", "capacity 0 must be a whole number"),
        ("shojaei", IRREGULAR + "3", "continues after the last of its 2 classes"),
        ("shojaei", "1 1 5 1 nan 2", "finite"),
        ("khan", KHAN.replace(" 2\n 1.00", " 3\n 1.00"), "class 2 begins with the number 3, not"),
        ("hiremath-hill", "", "ends before the number of a problem"),
        (None, KHAN[:-9], r"ends before the profit of item 1 of class 1 \(as khan, the layout"),
        (None, "", "ends before"),
    ],
)
def test_what_is_wrong_is_named(layout: str, text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InstanceError, match=words) as raised:
        read_instances(path, layout)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="no such file"):
        read_instances(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InstanceError, match="is not UTF-8 text"):
        read_instances(tmp_path / "b.txt")
