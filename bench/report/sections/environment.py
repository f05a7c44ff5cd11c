"""The command, machine and versions that the numbers were made with, and how busy it was."""

from __future__ import annotations

from ...records.record import Record
from ...records.status import RunStatus
from ...tables.table import Table, digits
from ..base import Content, Section
from ..source import Source

BUSY = (
    "share of the processor: processor time over wall time of the runs that took a second or more; "
    "well below 1 the machine had other work, and runs were stopped at their limit too soon."
)


def build(source: Source) -> Content | None:
    """As the records tell; several where the records come from several machines."""
    records = source.records
    if not records:
        return None
    rows = [
        *([["command", source.command]] if source.command else []),
        ["runs", f"{sum(record.status != RunStatus.UNSUPPORTED for record in records):,}"],
        ["solve time", f"{digits(sum(record.seconds for record in records))} s"],
        *_processor(records),
        *_environments(source),
    ]
    notes = [BUSY] if any(row[0].startswith("share") for row in rows) else []
    return Content(
        tables={
            "environment": Table(
                "Command, machine, versions", ("name", "value"), rows, notes, text_columns=2
            )
        }
    )


def _environments(source: Source) -> list[list[str]]:
    """Machine and versions; with the letter that solvers' names end in where there are several."""
    found = source.environments
    rows = []
    for letter, (machine, versions) in found.items():
        which = f" {letter}" if len(found) > 1 else ""
        text = ", ".join(f"{name} {version}" for name, version in versions)
        rows += [[f"machine{which}", machine], [f"versions{which}", text]]
    return rows


def _processor(records: list[Record]) -> list[list[str]]:
    """Total of the processor times, and which share of the processor long runs had."""
    times = [(r.cpu_seconds, r.seconds) for r in records if r.cpu_seconds is not None]
    if not times:
        return []
    rows = [["processor time", f"{digits(sum(cpu for cpu, _ in times))} s"]]
    shares = [cpu / wall for cpu, wall in times if wall >= 1.0]
    if shares:
        low, high = min(shares), max(shares)
        rows.append(["share of the processor", f"{low:.2f} to {high:.2f}"])
    return rows


SECTION = Section("Environment", 90, "records", build)
