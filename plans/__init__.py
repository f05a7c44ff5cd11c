"""From a solution to a network: apply a plan, repair it, measure it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .apply import apply_plan

_LAZY = {"apply_plan": "apply"}

__all__ = ["apply_plan"]


def __getattr__(name: str) -> Any:
    """Load torch only when a plan is first applied."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
