"""The rules of a well-formed instance, each with a sentence that names the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .errors import InstanceError

if TYPE_CHECKING:
    from .instance import Instance

MAX_TOTAL = 1 << 62
"""Largest total weight; every sum of weights then fits a signed 64-bit integer."""


def validate(instance: Instance) -> None:
    """Check shapes, names, numbers and ties of an instance.

    Raises:
        InstanceError: with the first rule broken.
    """
    _shapes(instance)
    _names(instance)
    _numbers(instance)
    _ties(instance)


def _item(instance: Instance, position: int) -> str:
    i = int(np.searchsorted(instance.offsets, position, side="right")) - 1
    return f"item {instance.labels[position]!r} of class {instance.class_names[i]!r}"


def _shapes(instance: Instance) -> None:
    offsets, n = instance.offsets, instance.cost.size
    if offsets.ndim == 1 and offsets.size < 2:
        raise InstanceError(f"instance {instance.name!r} has no classes; it needs at least one")
    if offsets.ndim != 1 or offsets[0] != 0 or offsets[-1] != n:
        raise InstanceError(
            f"the offsets of instance {instance.name!r} must go from 0 to the number of items {n}"
        )
    if len(instance.class_names) != offsets.size - 1:
        raise InstanceError(
            f"instance {instance.name!r} has {offsets.size - 1} classes "
            f"but {len(instance.class_names)} class names"
        )
    empty = np.flatnonzero(np.diff(offsets) <= 0)
    if empty.size:
        raise InstanceError(
            f"class {instance.class_names[int(empty[0])]!r} has no items; "
            "every class needs at least one"
        )
    k = instance.capacity.size
    if instance.cost.ndim != 1 or instance.weight.shape != (k, n) or len(instance.labels) != n:
        raise InstanceError(
            f"instance {instance.name!r} has {n} costs, weights of shape {instance.weight.shape} "
            f"and {len(instance.labels)} labels; expected {n}, {(k, n)} and {n}"
        )
    if k == 0 or len(instance.resources) != k:
        raise InstanceError(
            f"instance {instance.name!r} needs one capacity for each of its resources, "
            f"got {k} for {len(instance.resources)}"
        )


def _repeated(names: Sequence[str]) -> str | None:
    if len(set(names)) == len(names):
        return None
    return next(name for k, name in enumerate(names) if name in names[:k])


def _names(instance: Instance) -> None:
    for what, names in (("class", instance.class_names), ("resource", instance.resources)):
        twice = _repeated(names)
        if twice is not None:
            raise InstanceError(f"two {what} names are {twice!r}; names must differ")
    if not _labels_differ(instance):
        for i, name in enumerate(instance.class_names):
            twice = _repeated(instance.labels[instance.offsets[i] : instance.offsets[i + 1]])
            if twice is not None:
                raise InstanceError(
                    f"class {name!r} has two items labelled {twice!r}; labels must differ"
                )


def _labels_differ(instance: Instance) -> bool:
    """Whether labels differ within every class.

    Where all classes carry the same labels, one class is looked at.
    """
    labels, first = instance.labels, instance.labels[: instance.offsets[1]]
    if (instance.sizes == len(first)).all() and labels == first * len(instance):
        return len(set(first)) == len(first)
    number = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    codes = np.fromiter(map(number.__getitem__, labels), dtype=np.int64, count=len(labels))
    pairs = np.sort(instance.class_of * len(number) + codes)
    return bool((pairs[1:] != pairs[:-1]).all())


def _numbers(instance: Instance) -> None:
    bad = np.flatnonzero(~np.isfinite(instance.cost))
    if bad.size:
        j = int(bad[0])
        raise InstanceError(
            f"the cost of {_item(instance, j)} is {instance.cost[j]}; costs must be finite"
        )
    negative = np.argwhere(instance.weight < 0)
    if negative.size:
        k, j = negative[0]
        raise InstanceError(
            f"the {instance.resources[k]} of {_item(instance, int(j))} is "
            f"{instance.weight[k, j]}; weights must not be negative"
        )
    if (instance.capacity < 0).any():
        k = int(np.flatnonzero(instance.capacity < 0)[0])
        raise InstanceError(
            f"the capacity for {instance.resources[k]} is {instance.capacity[k]}; "
            "it must not be negative"
        )
    largest = np.maximum.reduceat(instance.weight, instance.offsets[:-1], axis=1)
    if (largest.sum(axis=1, dtype=np.float64) >= MAX_TOTAL).any():
        raise InstanceError(
            f"the weights of {instance.name!r} add up to 2^62 or more, beyond 64-bit integers; "
            "use a coarser unit"
        )
    costs = np.maximum.reduceat(np.abs(instance.cost), instance.offsets[:-1])
    with np.errstate(over="ignore"):
        if not np.isfinite(costs.sum()):
            raise InstanceError(
                f"the costs of {instance.name!r} add up beyond float64; use a coarser unit"
            )


def _ties(instance: Instance) -> None:
    seen: set[int] = set()
    for group in instance.ties:
        for i in group:
            if not 0 <= i < len(instance):
                raise InstanceError(f"a tie names class {i}, but there are {len(instance)} classes")
            if i in seen:
                raise InstanceError(
                    f"class {instance.class_names[i]!r} stands in two ties; merge them into one"
                )
            seen.add(i)
        if len(group) < 2:
            raise InstanceError("a tie needs at least two classes")
