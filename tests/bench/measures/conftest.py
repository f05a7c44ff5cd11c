"""Hand-made records."""

from __future__ import annotations

from typing import Any

from bitknap.bench.records.record import Record


def row(solver: str, instance: str, status: str = "optimal", **fields: Any) -> Record:
    """A record of an exact solver whose bound is its objective when it is optimal."""
    values: dict[str, Any] = {
        "objective": None,
        "bound": fields.get("objective") if status == "optimal" else None,
        "seconds": 1.0,
        "exact": True,
        "time_limit": 10.0,
        "classes": 1,
    }
    return Record("suite", instance, solver, status, **(values | fields))
