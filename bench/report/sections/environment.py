"""Machine and versions that the numbers were made with."""

from __future__ import annotations

from bitknap.bench.report.base import Content, Section
from bitknap.bench.report.source import Source


def build(source: Source) -> Content | None:
    """As the records tell; several where the records come from several machines."""
    machines = dict.fromkeys(record.machine for record in source.records)
    versions = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in record.versions.items())
        for record in source.records
    )
    if not machines:
        return None
    return Content(
        facts=[*(("machine", m) for m in machines), *(("versions", v) for v in versions)]
    )


SECTION = Section("Environment", 90, "records", build)
