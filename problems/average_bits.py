"""Bits per weight, of instances whose labels are numbers of bits."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from .instance import Instance, IntArray

_WIDTHS = frozenset(map(str, range(1, 33)))


def weight_counts(instance: Instance) -> list[Fraction] | None:
    """(L,) number of weights of each layer; None where the instance does not tell.

    It tells where all labels are numbers of bits and the size of every item is
    ``count * bits + constant``, with one count and one constant per layer.
    """
    bits = _bits(instance)
    if bits is None:
        return None
    size = instance.weight[instance.resources.index("size_bits")].tolist()
    counts = []
    for first, end in pairwise(instance.offsets.tolist()):
        if bits[end - 1] == bits[first]:
            return None
        count = Fraction(size[end - 1] - size[first], bits[end - 1] - bits[first])
        if count < 0 or any(
            size[j] - size[first] != count * (bits[j] - bits[first]) for j in range(first, end)
        ):
            return None
        counts.append(count)
    return counts if any(counts) else None


def average_bits(instance: Instance, choice: IntArray) -> float | None:
    """Bits per weight of a choice, scales aside; None where the instance does not tell."""
    counts, bits = weight_counts(instance), _bits(instance)
    if counts is None or bits is None:
        return None
    at = instance.positions(choice).tolist()
    return float(sum(n * bits[j] for n, j in zip(counts, at, strict=True)) / sum(counts))


def size_of_average(instance: Instance, average: Fraction) -> int | None:
    """Size in bits of an average per weight, with the scales; None as above.

    floor(average * weights) plus the constants of all layers, see `weight_counts`.
    """
    counts, bits = weight_counts(instance), _bits(instance)
    if counts is None or bits is None:
        return None
    firsts: list[int] = instance.offsets[:-1].tolist()
    size: list[int] = instance.weight[instance.resources.index("size_bits")].tolist()
    constants = sum(size[j] - n * bits[j] for n, j in zip(counts, firsts, strict=True))
    return math.floor(average * sum(counts) + constants)


def _bits(instance: Instance) -> list[int] | None:
    if "size_bits" not in instance.resources or not _WIDTHS.issuperset(instance.labels):
        return None
    return list(map(int, instance.labels))
