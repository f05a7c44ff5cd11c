from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import InstanceError, build_instance, merge_ties
from bitknap.problems.report import reduction_report
from bitknap.solvers import Status, solve


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


@pytest.mark.parametrize("solver", ["core", "dp", "branch_bound", "multi", "brute", "highs"])
def test_bug_rounded_sums_of_tied_costs_hid_the_cheaper_label(solver: str) -> None:
    """1e20 + 1 and 1e20 + 0 are one float; with -1e20 they cost 1 and 0."""
    classes = [[(1e20, 1), (1e20, 1)], [(1.0, 1), (0.0, 1)], [(-1e20, 0)]]
    instance = build_instance(classes, 5, ties=((0, 1),))
    solution = solve(instance, solver)
    assert (solution.status, solution.objective) == (Status.OPTIMAL, 0.0)
    assert reduction_report(instance).merged_classes == 2


def test_excesses_of_merged_labels_are_those_of_the_sums() -> None:
    rng = np.random.default_rng(2)
    numbers = [0.0, 1.0, 3.0, 1e16, -1e16, 1e20, -1e20, 5e-324, 0.1, 1e-17, 2.0**53 + 2.0]
    for _ in range(300):
        classes = [[(float(rng.choice(numbers)), 1) for _ in range(3)] for _ in range(3)]
        merged = merge_ties(build_instance(classes, 9, ties=((0, 1, 2),))).instance
        sums = [sum(Fraction(c[j][0]) for c in classes) for j in range(3)]
        base = sum(map(Fraction, merged.cost[3:].tolist()))
        found = [Fraction(cost) + base for cost in merged.cost[:3].tolist()]
        for true, cost in zip(sums, found, strict=True):
            excess = true - min(sums)
            assert abs(cost - min(found) - excess) <= excess / 2**50


def test_bug_a_class_named_like_two_tied_ones_was_refused() -> None:
    classes = [[(1.0, 1)], [(2.0, 1)], [(3.0, 1)]]
    names = ("a", "b", "a+b")
    instance = build_instance(classes, 3, class_names=names, ties=((0, 1),))
    assert solve(instance).objective == 6.0


def test_tied_costs_whose_difference_is_beyond_float64_are_refused() -> None:
    top = 8.5e307
    odd = float(np.nextafter(-top, 0))
    classes = [[(top, 1), (-top, 1), (last, 1)] for last in (-top, odd)]
    instance = build_instance(classes, 3, ties=((0, 1),))
    with pytest.raises(InstanceError, match="beyond float64"):
        merge_ties(instance)
