"""Tied classes become one class: the reduction that every solver sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .errors import InstanceError
from .instance import Instance, IntArray


@dataclass(frozen=True)
class MergedInstance:
    """An instance without ties, and the way back.

    Args:
        instance: each tie group is one class, whose items are the labels that all its classes
            share, with costs and weights added up. A cost is the sum rounded once. Where that
            would change what a label costs above the cheapest one, the class holds those excesses,
            and classes of one item without weight the costs of the cheapest label.
        class_index: (L,) for each original class, its class in ``instance``.
        item_index: for each original class, (items of the merged class,) the original position;
            empty when nothing was tied.
    """

    instance: Instance
    class_index: IntArray
    item_index: tuple[IntArray, ...]

    def expand(self, choice: IntArray) -> IntArray:
        """The choice for the original classes that a choice for the merged ones means."""
        if not self.item_index:
            return choice
        return np.array(
            [index[choice[c]] for c, index in zip(self.class_index, self.item_index, strict=True)],
            dtype=np.int64,
        )


_KEPT = Fraction(1, 1 << 50)
"""Share of an excess that the rounding of sums may change."""


def merge_ties(instance: Instance) -> MergedInstance:
    """Replace each group of tied classes by one class of the labels they share.

    What a choice costs above the cheapest labels changes by at most 2^-50 of itself.

    Raises:
        InstanceError: tied classes share no label, so no choice can keep the tie; or their costs
            add up beyond float64.
    """
    if not instance.ties:
        return MergedInstance(instance, np.arange(len(instance)), ())
    groups = {min(group): sorted(group) for group in instance.ties}
    tied = {i for group in groups.values() for i in group}
    class_index = np.empty(len(instance), dtype=np.int64)
    item_index: list[IntArray] = [np.empty(0, dtype=np.int64)] * len(instance)
    costs: list[float] = []
    weights: list[IntArray] = []
    labels: list[str] = []
    names: list[str] = []
    bases: list[float] = []
    taken = {name for i, name in enumerate(instance.class_names) if i not in tied}
    offsets = [0]
    for i in range(len(instance)):
        if i in tied and i not in groups:
            continue
        members = groups.get(i, [i])
        label_lists = [
            instance.labels[instance.offsets[m] : instance.offsets[m + 1]] for m in members
        ]
        shared = [
            label for label in label_lists[0] if all(label in other for other in label_lists[1:])
        ]
        if not shared:
            tied_names = ", ".join(instance.class_names[m] for m in members)
            raise InstanceError(
                f"the tied classes {tied_names} have no label in common; "
                "give them the same labels or drop the tie"
            )
        for m, member_labels in zip(members, label_lists, strict=True):
            class_index[m] = len(names)
            item_index[m] = np.array([member_labels.index(s) for s in shared], dtype=np.int64)
        at = np.array([instance.offsets[m] + item_index[m] for m in members])
        try:
            summed, apart = _summed(instance.cost[at].T.tolist())
        except OverflowError:
            raise InstanceError(
                f"the costs of {instance.name!r} add up beyond float64; use a coarser unit"
            ) from None
        costs += summed
        bases += apart
        weights.append(instance.weight[:, at].sum(axis=1))
        labels += shared
        name = "+".join(instance.class_names[m] for m in members)
        names.append(_free(name, taken) if i in tied else name)
        offsets.append(len(labels))
    weights.append(np.zeros((instance.n_resources, len(bases)), dtype=np.int64))
    merged = Instance(
        instance.name,
        np.concatenate((offsets, offsets[-1] + 1 + np.arange(len(bases)))),
        np.array(costs + bases),
        np.concatenate(weights, axis=1),
        instance.capacity,
        (*names, *(_free(f"base {k}", taken) for k in range(len(bases)))),
        (*labels, *("base" for _ in bases)),
        instance.resources,
        source=instance.source,
    )
    return MergedInstance(merged, class_index, tuple(item_index))


def _free(name: str, taken: set[str]) -> str:
    """The name, with a suffix where another class already has it."""
    while name in taken:
        name += "+"
    taken.add(name)
    return name


def _summed(rows: list[list[float]]) -> tuple[list[float], list[float]]:
    """Costs of a merged class from the costs (labels, members) that add up; costs set apart."""
    rounded = [math.fsum(row) for row in rows]
    lowest, *others = sorted(rounded)
    # Each sum is off by 2^-53 of itself at most.
    if all(abs(cost) + abs(lowest) <= 4.0 * (cost - lowest) for cost in others):
        return rounded, []
    exact = [sum(map(Fraction, row), Fraction(0)) for row in rows]
    least, base = min(exact), Fraction(lowest)
    for cost, true in zip(rounded, exact, strict=True):
        if abs(Fraction(cost) - base - (true - least)) > _KEPT * (true - least):
            return [float(true - least) for true in exact], rows[exact.index(least)]
    return rounded, []
