from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from bitknap.problems import Instance, InstanceError, build_instance


def small() -> Instance:
    return build_instance(
        [[(0.31, 864), (0.02, 1728)], [(5.0, 10), (2.0, 20), (1.0, 40)]],
        1800,
        class_names=("conv1", "fc"),
        labels=("2", "4", "2", "4", "8"),
    )


def test_shapes_and_totals() -> None:
    instance = small()
    assert len(instance) == 2
    assert instance.n_items == 5
    assert instance.sizes.tolist() == [2, 3]
    assert instance.class_of.tolist() == [0, 0, 1, 1, 1]
    assert instance.min_usage.tolist() == [874]


def test_objective_usage_and_labels_of_a_choice() -> None:
    instance = small()
    assert instance.objective([1, 2]) == math.fsum([0.02, 1.0])
    assert instance.usage([1, 2]).tolist() == [1768]
    assert instance.is_feasible([1, 2])
    assert not instance.with_capacity(1767).is_feasible([1, 2])
    assert instance.by_label([1, 2]) == {"conv1": "4", "fc": "8"}
    assert instance.from_labels({"conv1": "4", "fc": "8"}).tolist() == [1, 2]


def test_arrays_are_read_only_and_copied() -> None:
    cost = np.array([1.0, 2.0])
    instance = Instance("x", [0, 2], cost, [[1, 2]], [2], ("a",), ("0", "1"))  # type: ignore[arg-type]
    cost[0] = 9.0
    assert instance.cost[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        instance.cost[0] = 3.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        instance.name = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ([0], "must be 2 integers"),
        ([0.0, 1.0], "must be 2 integers"),
        ([0, 3], "class 'fc' has items 0 to 2"),
        ([-1, 0], "class 'conv1' has items 0 to 1"),
    ],
)
def test_a_bad_choice_is_refused(choice: list[Any], words: str) -> None:
    with pytest.raises(InstanceError, match=words):
        small().objective(choice)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"conv1": "4"}, "'fc' of 'instance' has no choice"),
        ({"conv1": "4", "fc": "9"}, "no item labelled '9'"),
        ({"conv1": "4", "fc": "8", "x": "1"}, "no class 'x'"),
    ],
)
def test_bad_labels_are_refused(labels: dict[str, str], words: str) -> None:
    with pytest.raises(InstanceError, match=words):
        small().from_labels(labels)


GOOD: dict[str, Any] = {
    "name": "x",
    "offsets": [0, 1, 3],
    "cost": [1.0, 2.0, 3.0],
    "weight": [[1, 2, 3]],
    "capacity": [4],
    "class_names": ("a", "b"),
    "labels": ("0", "0", "1"),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offsets": [0]}, "no classes; it needs at least one"),
        ({"offsets": [0, 3, 3], "class_names": ("a", "b")}, "class 'b' has no items"),
        ({"offsets": [0, 1, 2]}, "offsets of instance .* from 0 to the number of items 3"),
        ({"class_names": ("a",)}, "2 classes but 1 class names"),
        ({"class_names": ("a", "a")}, "two class names are 'a'"),
        ({"labels": ("0", "1", "1")}, "class 'b' has two items labelled '1'"),
        ({"labels": ("0", "1")}, "2 labels"),
        ({"cost": [1.0, math.nan, 3.0]}, "cost of item '0' of class 'b' is nan"),
        ({"cost": [1.0, math.inf, 3.0]}, "must be finite"),
        ({"cost": [1.7e308, 1.7e308, 3.0]}, "beyond float64"),
        ({"weight": [[1, 2, -3]]}, "size_bits of item '1' of class 'b' is -3"),
        ({"weight": [[1, 2]]}, r"weights of shape \(1, 2\)"),
        ({"weight": [[1, 1 << 62, 3]]}, "beyond 64-bit"),
        ({"capacity": [-1]}, "must not be negative"),
        ({"capacity": [1, 2]}, "expected 3"),
        ({"resources": ("a", "b")}, "one capacity for each"),
        ({"ties": ((0, 5),)}, "a tie names class 5"),
        ({"ties": ((0,),)}, "at least two"),
        ({"ties": ((0, 1), (1, 0))}, "stands in two ties"),
    ],
)
def test_malformed_instances_are_refused(change: dict[str, Any], words: str) -> None:
    Instance(**GOOD)
    with pytest.raises(InstanceError, match=words):
        Instance(**(GOOD | change))
