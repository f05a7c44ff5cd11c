"""What each metric of a table took."""

from __future__ import annotations

from bitknap.sensitivity import SensitivityTable

from ..tables.table import Table


def metric_cost_table(table: SensitivityTable) -> Table:
    """Seconds, passes and peak memory of every metric."""
    rows = [
        [name, f"{cost['seconds']:.2f}", f"{cost['passes']:g}", _megabytes(cost.get("peak_bytes"))]
        for name, cost in table.metric_cost.items()
    ]
    return Table(
        "Cost of the metrics",
        ("metric", "seconds", "passes", "peak MB"),
        rows,
        notes=(
            "A pass is one forward or one backward over the samples. Seconds of a resumed run "
            "are those of all its parts. Peak: memory of the whole process, network "
            "and libraries included; on CUDA what torch had allocated.",
        ),
    )


def _megabytes(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:.0f}"
