"""Workloads, measured accuracy, records, figures and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .workloads import WORKLOADS

if TYPE_CHECKING:
    from .workloads.accuracy import Accuracy
    from .workloads.base import Workload

__all__ = ["WORKLOADS", "Accuracy", "Workload"]


def __getattr__(name: str) -> Any:
    """Load torch only when a workload is first built."""
    if name not in ("Accuracy", "Workload"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .workloads import accuracy, base

    return getattr(accuracy if name == "Accuracy" else base, name)
