"""What was asked, and with which machine and versions, where the two differ."""

from __future__ import annotations

from typing import Any

from ...tables.table import Table
from ..base import Content, Section
from ..source import Source


def build(a: Source, b: Source) -> Content | None:
    """The facts that differ; a sentence where none does."""
    first, second = _facts(a), _facts(b)
    rows = [
        [name, first.get(name, "-"), second.get(name, "-")]
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name)
    ]
    if not rows:
        return Content(texts=["The same was asked, on the same machine with the same versions."])
    table = Table("What differs", ("", "A", "B"), rows, text_columns=3)
    return Content(tables={"differences": table})


def _text(value: Any) -> str:
    """A value of JSON for a reader: lists with commas, objects as names and values."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _facts(source: Source) -> dict[str, str]:
    facts = {"command": source.command}
    if source.results is not None:
        asked, table = source.results.asked, source.results.table
        facts |= {
            "workload": asked.workload,
            "metrics": ", ".join(asked.metrics),
            "budgets": ", ".join(budget.text for budget in asked.budgets),
            "samples": str(asked.samples),
            "seed": str(asked.seed),
            **{key: _text(value) for key, value in table.provenance.items()},
        }
    if source.suite is not None:
        facts |= {
            key: _text(source.suite[key])
            for key in ("name", "seed", "repeat", "solvers", "allowance")
        }
    if source.records:
        record = source.records[0]
        facts |= {"machine": record.machine, **record.versions}
    return facts


SECTION = Section("What differs in setting and environment", 0, "any folder", build)
