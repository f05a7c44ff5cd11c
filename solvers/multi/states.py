"""Batches of states of one stage: expansion, dominance, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .bounds import Bundle
from .fixed_point import Exact, ascending, take
from .model import Floats, Ints, Mask

_SHIFTS = (*range(1, 17), 20, 24, 28, 32)


@dataclass(frozen=True)
class Trail:
    """Which state of the batch before, and which item, each state comes from."""

    source: Ints
    item: Ints
    before: Trail | None

    def path(self, at: int) -> list[int]:
        """Items chosen on the way to a state, the latest first."""
        items: list[int] = []
        trail: Trail | None = self
        while trail is not None:
            items.append(int(trail.item[at]))
            at = int(trail.source[at])
            trail = trail.before
        return items


@dataclass(frozen=True)
class Batch:
    """States that have chosen in the first ``stage`` classes.

    Args:
        usage: (K, N) weights.
        low: (N,) true lower bounds of what becomes of them.
        source, item: as in :class:`Trail`, for this batch.
        before: trail of the batch before.
        price: prices per share that were best for a state of this batch.
    """

    stage: int
    value: Exact
    usage: Ints
    low: Floats
    source: Ints
    item: Ints
    before: Trail | None
    price: Floats
    bundle: Bundle

    @property
    def count(self) -> int:
        """Number of states."""
        return self.low.size

    @property
    def trail(self) -> Trail | None:
        """The way back from these states; None before the first stage."""
        return Trail(self.source, self.item, self.before) if self.stage else None

    def take(self, index: Any) -> Batch:
        """Some of the states."""
        return replace(
            self,
            value=take(self.value, index),
            usage=self.usage[:, index],
            low=self.low[index],
            source=self.source[index],
            item=self.item[index],
        )

    def below(self, threshold: float) -> Batch:
        """The states whose bound is at most a threshold."""
        kept = self.low <= threshold
        return self if kept.all() else self.take(np.flatnonzero(kept))

    def split(self, width: int) -> tuple[Batch, Batch]:
        """The ``width`` states of least bound, and the others."""
        order = np.argpartition(self.low, width)
        return self.take(np.sort(order[:width])), self.take(np.sort(order[width:]))


def undominated_states(value: Exact, usage: Ints) -> Ints:
    """Indices, by rising cost, of states that no state slightly cheaper is as light as.

    Dominance is tested against the nearest states in cost order only: what that misses is
    work, not an error.
    """
    order = ascending(value)
    sorted_usage = usage[:, order]
    kept: Mask = np.ones(order.size, dtype=bool)
    for shift in _SHIFTS:
        if shift >= order.size:
            break
        heavier = sorted_usage[0, :-shift] <= sorted_usage[0, shift:]
        for row in sorted_usage[1:]:
            heavier &= row[:-shift] <= row[shift:]
        kept[shift:] &= ~heavier
    return order[kept]
