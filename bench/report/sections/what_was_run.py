"""What was run on what."""

from __future__ import annotations

from bitknap.bench.grids import Grid
from bitknap.bench.report.base import Content, Section
from bitknap.bench.report.source import Source
from bitknap.bench.results import Results


def build(source: Source) -> Content | None:
    """Network, metrics, budgets and samples of the main job."""
    results = source.results
    if results is None:
        return None
    asked, table = results.asked, results.table
    facts = [
        ("workload", asked.title),
        ("weights", f"{table.weights:,} in {len(table.layers)} layers"),
        ("candidate bits", ", ".join(table.choices)),
        ("metrics", ", ".join(asked.metrics)),
        ("budgets", ", ".join(b.text for b in asked.budgets)),
        ("solvers", ", ".join(asked.solvers)),
        ("calibration", f"{asked.samples:,} training samples, seed {asked.seed}"),
        ("quantizer", ", ".join(f"{k} {v}" for k, v in table.provenance["quantizer"].items())),
    ]
    if table.floats:
        facts.append(("left in float", ", ".join(table.floats)))
    if table.ties:
        tied = [f"{', '.join(tie.layers)} ({tie.reason})" for tie in table.ties]
        facts.append(("tied", "; ".join(tied)))
    return Content(facts=facts, grids={"metric_cost": _costs(results)})


def _costs(results: Results) -> Grid:
    return Grid(
        "Cost of the metrics",
        ("metric", "seconds", "passes"),
        [
            [name, f"{cost['seconds']:.2f}", str(cost["passes"])]
            for name, cost in results.table.metric_cost.items()
        ],
        notes=("A pass is one forward or one backward over the samples.",),
    )


SECTION = Section("What was run", 0, "a run of `bitknap run`", build)
