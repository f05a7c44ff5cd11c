"""Tied classes become one class: the reduction that every solver sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .errors import InstanceError
from .instance import Instance, IntArray


@dataclass(frozen=True)
class Merged:
    """An instance without ties, and the way back.

    Args:
        instance: each tie group is one class, whose items are the labels that all its classes
            share, with costs and weights added up.
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


def merge_ties(instance: Instance) -> Merged:
    """Replace each group of tied classes by one class of the labels they share.

    Raises:
        InstanceError: tied classes share no label, so no choice can keep the tie.
    """
    if not instance.ties:
        return Merged(instance, np.arange(len(instance)), ())
    groups = {min(group): sorted(group) for group in instance.ties}
    tied = {i for group in groups.values() for i in group}
    class_index = np.empty(len(instance), dtype=np.int64)
    item_index: list[IntArray] = [np.empty(0, dtype=np.int64)] * len(instance)
    costs: list[float] = []
    weights: list[IntArray] = []
    labels: list[str] = []
    names: list[str] = []
    offsets = [0]
    for i in range(len(instance)):
        if i in tied and i not in groups:
            continue
        members = groups.get(i, [i])
        own = [instance.labels[instance.offsets[m] : instance.offsets[m + 1]] for m in members]
        shared = [label for label in own[0] if all(label in other for other in own[1:])]
        if not shared:
            tied_names = ", ".join(instance.class_names[m] for m in members)
            raise InstanceError(
                f"the tied classes {tied_names} have no label in common; "
                "give them the same labels or drop the tie"
            )
        for m, member_labels in zip(members, own, strict=True):
            class_index[m] = len(names)
            item_index[m] = np.array([member_labels.index(s) for s in shared], dtype=np.int64)
        at = np.array([instance.offsets[m] + item_index[m] for m in members])
        costs += [math.fsum(column) for column in instance.cost[at].T.tolist()]
        weights.append(instance.weight[:, at].sum(axis=1))
        labels += shared
        names.append("+".join(instance.class_names[m] for m in members))
        offsets.append(len(labels))
    merged = Instance(
        instance.name,
        np.array(offsets),
        np.array(costs),
        np.concatenate(weights, axis=1),
        instance.capacity,
        tuple(names),
        tuple(labels),
        instance.resources,
        source=instance.source,
    )
    return Merged(merged, class_index, tuple(item_index))
