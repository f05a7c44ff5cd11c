from __future__ import annotations

import itertools

import numpy as np
import pytest

from bitknap.problems import InstanceError, build_instance, merge_ties


def test_merged_choices_are_the_choices_that_keep_the_ties() -> None:
    rng = np.random.default_rng(1)
    classes = [
        [(float(rng.integers(9)), int(rng.integers(9))) for _ in range(size)]
        for size in (2, 3, 3, 1, 4)
    ]
    labels = ("a", "b", "c", "b", "a", "a", "b", "d", "x", "b", "q", "c", "a")
    instance = build_instance(classes, 20, labels=labels, ties=((1, 4), (2, 0)))
    merged = merge_ties(instance)
    assert merged.instance.class_names == ("c0+c2", "c1+c4", "c3")
    spans = [range(size) for size in merged.instance.sizes]
    expanded = set()
    for choice in itertools.product(*spans):
        full = merged.expand(np.array(choice))
        assert instance.keeps_ties(full)
        assert instance.objective(full) == merged.instance.objective(choice)
        assert instance.usage(full).tolist() == merged.instance.usage(choice).tolist()
        expanded.add(tuple(full.tolist()))
    every = itertools.product(*[range(size) for size in instance.sizes])
    assert expanded == {c for c in every if instance.keeps_ties(c)}


def test_without_ties_nothing_changes() -> None:
    instance = build_instance([[(1, 1)], [(2, 2), (1, 3)]], 5)
    merged = merge_ties(instance)
    assert merged.instance is instance
    assert merged.expand(np.array([0, 1])).tolist() == [0, 1]


def test_ties_without_a_shared_label_are_refused() -> None:
    instance = build_instance([[(1, 1)], [(2, 2)]], 5, labels=("2", "4"), ties=((0, 1),))
    with pytest.raises(InstanceError, match="c0, c1 have no label in common"):
        merge_ties(instance)
