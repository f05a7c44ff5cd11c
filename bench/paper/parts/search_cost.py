"""Search cost: seconds and passes of the metrics, of the solver, and of an evolutionary search."""

from __future__ import annotations

import statistics

from bitknap.solvers import solve

from ...report.base import Content, Section
from ...tables.table import Table
from ..plans import instance_at
from ..study import Network, Study

METRICS = {
    "fisher": "MPQCO's criterion",
    "hawq_v2": "HAWQ-V2",
    "loss": "measured loss",
    "kl": "ZeroQ KL",
    "output_fisher": "output Fisher",
}

MEASURED = ("loss", "kl")
"""Metrics that share their passes, whose time the first one is charged with."""


def build(study: Study) -> Content:
    """One table per network."""
    return Content(
        tables={f"search_cost_{n}": _table(n, w, study) for n, w in study.networks.items()}
    )


def _table(name: str, network: Network, study: Study) -> Table:
    rate = study.scale.rates[name][-1]
    found = network.search
    instance = instance_at(network.tables, "fisher", study.scale.seeds[0], rate)
    solves = [solve(instance).seconds for _ in range(5)]
    greedy = [solve(instance, "greedy").seconds for _ in range(5)]
    costs = _metrics(network, study)
    costs.append(
        ("evolutionary search", found.samples, float(found.evaluations), found.cpu_seconds)
    )
    reference = costs[0][3] / costs[0][1]
    rows = [
        [title, f"{samples:,}", f"{passes:,g}", f"{seconds:.1f}",
         f"{1000 * seconds / samples:.2f}",
         f"{seconds / samples / reference:.1f}" if reference else "-"]
        for title, samples, passes, seconds in costs
    ]  # fmt: skip
    return Table(
        f"{name}: cost of finding a plan",
        ("method", "images", "passes", "CPU s", "CPU ms per image", "ratio"),
        rows,
        notes=(
            "A pass is one forward or one backward over the images; the ratio is that of CPU time "
            "an image to MPQCO's criterion. Median of the draws. Measured loss and KL share "
            "their passes; the time is that of both. HAWQ-V2 draws 50 vectors per layer here, each "
            "by its own Hessian-vector product of that layer's block.",
            f"The plan itself, from the criterion at {rate}: exact solve "
            f"{1000 * statistics.median(solves):.2f} ms, greedy "
            f"{1000 * statistics.median(greedy):.2f} ms (median of 5).",
            f"The evolutionary search evaluates the network for one rate, {rate}; all others serve "
            f"every rate. Its plan has loss {found.loss:.4f} on the images it searched with, where "
            f"MPQCO's exact plan has {found.reference:.4f}.",
        ),
    )


def _metrics(network: Network, study: Study) -> list[tuple[str, int, float, float]]:
    """Title, samples, passes and CPU seconds of every metric, the paper's first."""
    found = []
    for metric, title in METRICS.items():
        if metric not in study.scale.samples:
            continue
        shared = MEASURED if metric in MEASURED else (metric,)
        tables = [network.tables[metric, seed].metric_cost for seed in study.scale.seeds]
        seconds = statistics.median(
            sum(costs[name]["cpu_seconds"] for name in shared if name in costs) for costs in tables
        )
        found.append((title, study.scale.samples[metric], tables[0][metric]["passes"], seconds))
    return found


SECTION = Section("Search cost", 60, "sensitivities", build)
