"""Bits per weight are read off an instance where its labels and sizes tell them, else not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import Instance, build_instance
from bitknap.problems.average_bits import average_bits, size_of_average, weight_counts


def sized(*sizes: tuple[int, int], labels: tuple[str, ...] = ("2", "4"), **more: str) -> Instance:
    classes = [[(1.0, light), (0.0, heavy)] for light, heavy in sizes]
    return build_instance(classes, 0, labels=labels * len(sizes), **more)


def test_counts_averages_and_sizes_scales_aside() -> None:
    instance = sized((20 + 32, 40 + 32), (60 + 64, 120 + 64))  # 10 and 30 weights, 3 scales
    assert weight_counts(instance) == [10, 30]
    assert average_bits(instance, np.array([1, 0])) == 2.5
    assert size_of_average(instance, Fraction(5, 2)) == 100 + 96
    assert size_of_average(instance, Fraction(251, 100)) == 100 + 96


@pytest.mark.parametrize(
    "instance",
    [
        sized((20, 40), labels=("0", "1")),
        sized((20, 40), labels=("w2a4", "w4a4")),
        sized((20, 40), labels=("2", "64")),
        sized((40, 20)),
        sized((20, 20)),
        build_instance([[(1.0, 20)]], 0, labels=("2",)),
        build_instance([[(2.0, 20), (1.0, 30), (0.0, 41)]], 0, labels=("2", "3", "4")),
        build_instance([[(1.0, 20), (0.0, 40)]], 0, labels=("2", "4"), resources=("bops",)),
    ],
)
def test_other_instances_do_not_tell(instance: Instance) -> None:
    assert weight_counts(instance) is None
    assert average_bits(instance, np.zeros(len(instance), dtype=np.int64)) is None
    assert size_of_average(instance, Fraction(3)) is None
