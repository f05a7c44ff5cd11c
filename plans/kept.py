"""What was computed once and is kept while there is room."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from bitknap.sensitivity.tracing.batches import tensors

MOST = 1 << 28
"""Bytes of tensors that are kept; what is above is computed anew each time."""


class Kept:
    """Tensors, or nested ones, by a key."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}
        self._used = 0

    def __call__(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """What ``compute`` gives, from an earlier call with this key where it was kept."""
        if key in self._known:
            return self._known[key]
        value = compute()
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors(value))
        if self._used + size <= MOST:
            self._used += size
            self._known[key] = value
        return value
