"""From a solution to a network: plan, apply, repair, measure, pack."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .apply import apply_plan
    from .layer_plan import Plan
    from .planning import plan
    from .unpacked import load_packed, unpack

_LAZY = {
    "Plan": "layer_plan",
    "apply_plan": "apply",
    "load_packed": "unpacked",
    "plan": "planning",
    "unpack": "unpacked",
}

__all__ = ["Plan", "apply_plan", "load_packed", "plan", "unpack"]


def __getattr__(name: str) -> Any:
    """Load torch only when a plan is first applied."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
