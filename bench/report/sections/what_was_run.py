"""What was run on what."""

from __future__ import annotations

from typing import Any

from ...job.metric_cost import metric_cost_table
from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Section
from ..source import Source

LIMITS = {
    "time": "time limit",
    "grace": "grace until killed",
    "memory": "memory limit",
    "warm_up": "warm-up limit",
    "threads": "threads",
}


def build(source: Source) -> Content | None:
    """Network, metrics and budgets of the main job; instances and limits of a benchmark."""
    if source.results is not None:
        return _run(source.results)
    if source.suite is not None:
        return _suite(source.suite, len(source.records))
    return None


def _run(results: Results) -> Content:
    asked, table = results.asked, results.table
    facts = [
        ("workload", asked.title),
        ("weights", f"{table.weights:,} in {len(table.layers)} layers"),
        ("coverage", str(table.coverage)),
        ("candidate bits", ", ".join(table.choices)),
        ("metrics", ", ".join(asked.metrics)),
        ("budgets", ", ".join(b.text for b in asked.budgets)),
        ("solvers", ", ".join(asked.solvers)),
        ("calibration", f"{asked.samples:,} training samples, seed {asked.seed}"),
        ("quantizer", ", ".join(f"{k} {v}" for k, v in table.provenance["quantizer"].items())),
    ]
    if table.ties:
        tied = [f"{', '.join(tie.layers)} ({tie.reason})" for tie in table.ties]
        facts.append(("tied", "; ".join(tied)))
    return Content(facts=facts, tables={"metric_cost": metric_cost_table(table)})


def _suite(suite: dict[str, Any], records: int) -> Content:
    groups: dict[str, list[dict[str, Any]]] = {}
    for facts in suite["instances"]:
        groups.setdefault(facts["group"], []).append(facts)
    allowance = suite["allowance"]
    asked = len(suite["instances"]) * len(suite["solvers"]) * suite["repeat"]
    return Content(
        facts=[
            ("suite", f"{suite['name']}: {suite['summary']}"),
            ("solvers", ", ".join(suite["solvers"])),
            ("runs", f"{records:,} recorded; {suite['repeat']} for each of the pairs that can run"),
            ("seed", str(suite["seed"])),
            *((LIMITS[key], _limit(key, value)) for key, value in allowance.items()),
        ],
        tables={
            "instances": Table(
                f"{len(suite['instances']):,} instances, {asked:,} runs at most",
                ("group", "instances", "classes", "items", "resources"),
                [
                    [
                        group,
                        str(len(rows)),
                        *(_range([row[key] for row in rows]) for key in ("classes", "items")),
                        _range([row["resources"] for row in rows]),
                    ]
                    for group, rows in groups.items()
                ],
            )
        },
    )


def _limit(key: str, value: float) -> str:
    if key == "memory":
        return f"{value / 1e6:,.0f} MB per run"
    return f"{value:g}" if key == "threads" else f"{value:g} s"


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


SECTION = Section("Settings", 85, "run.json or suite.json", build)
