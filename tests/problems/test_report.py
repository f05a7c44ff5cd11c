"""Counts of what preprocessing removes."""

from __future__ import annotations

import numpy as np

from bitknap.problems import build_instance, lower_hull, merge_ties, restrict, undominated
from bitknap.problems.families import FAMILIES
from bitknap.problems.library import library_instance
from bitknap.problems.report import reduction_report


def test_counts_by_hand() -> None:
    instance = build_instance(
        [
            [(4.0, 1), (3.5, 2), (1.0, 3), (2.0, 4)],  # (2, 4) dominated, (3.5, 2) above the hull
            [(1.0, 1), (2.0, 2)],  # only the first counts
            [(1.0, 1), (0.5, 2)],
            [(1.0, 1), (0.5, 2)],
        ],
        9,
        ties=((2, 3),),
    )
    report = reduction_report(instance)
    assert (report.classes, report.items) == (4, 10)
    assert (report.merged_classes, report.merged_items) == (3, 8)
    assert (report.undominated_items, report.single_classes, report.hull_items) == (6, 1, 5)


def test_hull_count_is_that_of_the_hull_class_by_class() -> None:
    for family in ("uncorrelated", "strongly_correlated", "mpq"):
        instance = FAMILIES.load(family)(classes=30)
        kept, _ = restrict(instance, undominated(instance))
        spans = zip(kept.offsets[:-1], kept.offsets[1:], strict=True)
        expected = sum(len(lower_hull(kept.cost[a:b], kept.weight[0, a:b])) for a, b in spans)
        assert abs(reduction_report(instance).hull_items - expected) <= (
            0 if family != "strongly_correlated" else 3
        )


def test_several_resources_have_no_hull() -> None:
    report = reduction_report(FAMILIES.load("mmkp_uncorrelated")())
    assert report.hull_items is None
    assert report.undominated_items <= report.items


def test_ties_of_the_library_are_merged() -> None:
    instance = library_instance("hawq_v3/resnet50_size_0.5")
    report = reduction_report(instance)
    assert report.merged_classes == len(merge_ties(instance).instance) == 48
    assert np.diff(instance.offsets).tolist() == [2] * 52
