"""What was run, where, and with which versions."""

from __future__ import annotations

from ...report.base import Content, Section
from ...tables.table import Table
from ..study import Study


def build(study: Study) -> Content:
    """Facts, as a table too, so that they stand beside the other tables as CSV."""
    rows = [
        ["command", study.command],
        ["mode", study.scale.name],
        ["seeds", ", ".join(map(str, study.scale.seeds))],
    ]
    stamps = dict.fromkeys(stamp for network in study.networks.values() for stamp in network.stamps)
    for stamp in stamps:
        rows.append(["measured on", stamp.machine])
        rows += [[f"version of {name}", version] for name, version in stamp.versions.items()]
    for name, network in study.networks.items():
        rows += [[f"{name}: {key}", text] for key, text in network.workload.provenance.items()]
        rows.append([f"{name}: quantizer", str(network.table.provenance["quantizer"])])
    return Content(
        tables={"environment": Table("Environment", ("what", "value"), rows, text_columns=2)},
        commands=[study.command],
    )


SECTION = Section("Environment", 90, "nothing", build)
