"""The multiple-choice knapsack instance that every solver receives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InstanceError
from .validation import validate

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MOST_ITEMS = 10_000_000
"""Items that an archive or a family may declare: about 1 GB in memory."""


def _frozen(array: NDArray[np.generic]) -> None:
    array.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Instance:
    """A multiple-choice knapsack problem (MCKP; with several resources, MMKP).

    Choose exactly one item j(i) of each class i:

        minimise    sum_i cost[i, j(i)]
        subject to  sum_i weight[k, i, j(i)] <= capacity[k]   for every resource k

    and tied classes take items of the same label. Ragged classes are stored one after another
    (CSR): class i holds items ``offsets[i]:offsets[i + 1]``. Arrays are read-only.

    Args:
        offsets: (L + 1,) int64, strictly increasing from 0.
        cost: (n,) float64, finite, any sign; minimised.
        weight: (K, n) int64, non-negative, in the resource's unit (bits for sizes).
        capacity: (K,) int64, non-negative.
        class_names: L distinct names.
        labels: n item labels, distinct within a class.
        resources: K distinct names.
        ties: groups of class indices that must take items of the same label.
        source: free text on where the instance comes from.
        optimum: the optimal objective where it is known.

    Raises:
        InstanceError: with one sentence that names the place.

    References:
        H. Kellerer, U. Pferschy, D. Pisinger, Knapsack Problems, Springer 2004, chapter 11.
    """

    name: str
    offsets: IntArray
    cost: FloatArray
    weight: IntArray
    capacity: IntArray
    class_names: tuple[str, ...]
    labels: tuple[str, ...]
    resources: tuple[str, ...] = ("size_bits",)
    ties: tuple[tuple[int, ...], ...] = ()
    source: str = ""
    optimum: float | None = None

    def __post_init__(self) -> None:
        for field, dtype in (("offsets", np.int64), ("cost", np.float64)):
            object.__setattr__(self, field, np.array(getattr(self, field), dtype=dtype))
        object.__setattr__(self, "weight", np.array(self.weight, dtype=np.int64, ndmin=2))
        object.__setattr__(self, "capacity", np.array(self.capacity, dtype=np.int64, ndmin=1))
        validate(self)
        for field in ("offsets", "cost", "weight", "capacity"):
            _frozen(getattr(self, field))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_items(self) -> int:
        """Number of items over all classes."""
        return len(self.cost)

    @property
    def n_resources(self) -> int:
        """Number of capacities K."""
        return len(self.capacity)

    @cached_property
    def sizes(self) -> IntArray:
        """(L,) number of items of each class."""
        return np.diff(self.offsets)

    @cached_property
    def class_of(self) -> IntArray:
        """(n,) class index of each item."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @cached_property
    def lightest(self) -> IntArray:
        """(K, L) least weight of each class in each resource."""
        return np.minimum.reduceat(self.weight, self.offsets[:-1], axis=1)

    @cached_property
    def min_usage(self) -> IntArray:
        """(K,) smallest usage of each resource on its own; with ties a lower bound of it."""
        total: IntArray = self.lightest.sum(axis=1)
        return total

    @property
    def above_lightest(self) -> IntArray:
        """(K, n) weights above the lightest of the class."""
        above: IntArray = self.weight - np.repeat(self.lightest, self.sizes, axis=1)
        return above

    def positions(self, choice: ArrayLike) -> IntArray:
        """Positions in the item arrays of a choice given as positions within the classes.

        Raises:
            InstanceError: the choice has another length, type or range.
        """
        chosen = np.asarray(choice)
        if chosen.shape != (len(self),) or chosen.dtype.kind not in "iu":
            raise InstanceError(
                f"a choice for {self.name!r} must be {len(self)} integers, one per class, "
                f"got shape {chosen.shape} of {chosen.dtype}"
            )
        bad = ((chosen < 0) | (chosen >= self.sizes)).nonzero()[0]
        if bad.size:
            i = int(bad[0])
            raise InstanceError(
                f"class {self.class_names[i]!r} has items 0 to {self.sizes[i] - 1}, "
                f"but the choice takes item {chosen[i]}"
            )
        return np.asarray(self.offsets[:-1] + chosen, dtype=np.int64)

    def objective(self, choice: ArrayLike) -> float:
        """Correctly rounded total cost of a choice (``math.fsum``)."""
        return math.fsum(self.cost[self.positions(choice)].tolist())

    def usage(self, choice: ArrayLike) -> IntArray:
        """(K,) exact total weight of a choice."""
        total: IntArray = self.weight[:, self.positions(choice)].sum(axis=1)
        return total

    def is_feasible(self, choice: ArrayLike) -> bool:
        """Whether a choice keeps every capacity and every tie."""
        return bool(np.all(self.usage(choice) <= self.capacity)) and self.keeps_ties(choice)

    def keeps_ties(self, choice: ArrayLike) -> bool:
        """Whether tied classes take items of the same label."""
        if not self.ties:
            return True
        at = self.positions(choice)
        return all(len({self.labels[at[i]] for i in group}) == 1 for group in self.ties)

    def by_label(self, choice: ArrayLike) -> dict[str, str]:
        """Class name -> label of the chosen item, for every class."""
        at = self.positions(choice)
        return {name: self.labels[j] for name, j in zip(self.class_names, at, strict=True)}

    def from_labels(self, labels: dict[str, str]) -> IntArray:
        """The choice that takes the given label in each class.

        Raises:
            InstanceError: a class is missing, unknown, or has no item of that label.
        """
        unknown = set(labels) - set(self.class_names)
        if unknown:
            raise InstanceError(f"instance {self.name!r} has no class {sorted(unknown)[0]!r}")
        choice = np.empty(len(self), dtype=np.int64)
        for i, name in enumerate(self.class_names):
            choices = self.labels[self.offsets[i] : self.offsets[i + 1]]
            if name not in labels:
                raise InstanceError(f"class {name!r} of {self.name!r} has no choice")
            if labels[name] not in choices:
                raise InstanceError(
                    f"class {name!r} has no item labelled {labels[name]!r}, "
                    f"only {', '.join(choices)}"
                )
            choice[i] = choices.index(labels[name])
        return choice

    def with_capacity(self, capacity: ArrayLike, name: str | None = None) -> Instance:
        """The same instance under another capacity; a known optimum is dropped."""
        limit = np.asarray(capacity, dtype=np.int64)
        return replace(self, name=name or self.name, capacity=limit, optimum=None)


def build_instance(
    classes: Iterable[Sequence[tuple[float, int] | tuple[float, Sequence[int]]]],
    capacity: int | Sequence[int],
    *,
    name: str = "instance",
    **fields: object,
) -> Instance:
    """An instance from lists of (cost, weight) pairs, one list a class.

    Classes are named ``c0, c1, ...`` and items labelled by their position unless ``class_names``
    or ``labels`` say otherwise; ``fields`` go to :class:`Instance`.

    Example:
        >>> build_instance([[(0.31, 864), (0.02, 1728)]], 1000).min_usage.tolist()
        [864]
    """
    items = [list(items) for items in classes]
    limits = [capacity] if isinstance(capacity, int | np.integer) else list(capacity)
    rows = [[w] if isinstance(w, int | np.integer) else list(w) for part in items for _, w in part]
    if len({len(row) for row in rows} | {len(limits)}) > 1:
        raise InstanceError(f"every weight must have {len(limits)} entries, one per capacity")
    defaults: dict[str, object] = {
        "class_names": tuple(f"c{i}" for i in range(len(items))),
        "labels": tuple(str(j) for part in items for j in range(len(part))),
        "resources": ("size_bits",)
        if len(limits) == 1
        else tuple(f"r{k}" for k in range(len(limits))),
    }
    return Instance(
        name=name,
        offsets=np.cumsum([0] + [len(part) for part in items]),
        cost=np.array([c for part in items for c, _ in part], dtype=np.float64),
        weight=np.array(rows, dtype=np.int64).reshape(-1, len(limits)).T,
        capacity=np.array(limits, dtype=np.int64),
        **(defaults | fields),  # type: ignore[arg-type]
    )
