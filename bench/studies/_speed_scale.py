"""A hundred thousand layers and more, each size in a process of its own to know its memory."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from bitknap.problems.families import mpq
from bitknap.solvers.core import solve_core

from ..tables.table import Table

BITS = {3: (2, 4, 8), 8: (2, 3, 4, 5, 6, 7, 8, 16)}


def at_scale(sizes: Mapping[int, range]) -> Table:
    """Milliseconds and memory by number of layers, over seeds."""
    rows = []
    for layers, seeds in sizes.items():
        code = (
            f"from {__name__} import measure; measure({layers}, range({seeds.start}, {seeds.stop}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        millis = [1e3 * run["seconds"] for run in found["runs"]]
        rows.append(
            [
                f"{layers:,}",
                f"{seeds.start} to {seeds.stop - 1}",
                f"{min(millis):.0f}",
                f"{statistics.median(millis):.0f}",
                f"{max(millis):.0f}",
                f"{1e3 * max(run['processor'] for run in found['runs']):.0f}",
                f"{max(run['states_total'] for run in found['runs']):,}",
                f"{max(run['branches'] for run in found['runs'])}",
                *(f"{found[name]:.0f}" for name in ("libraries", "arrays", "peak")),
            ]
        )
    return Table(
        "Large instances of 8 items per layer, proven, arrays in memory",
        (
            "layers", "seeds", "least ms", "median ms", "most ms", "most CPU ms", "most states",
            "most branches", "libraries MB", "arrays MB", "peak MB",
        ),
        rows,
        notes=(
            "A seed's time is the median of five solves, its CPU time the least.",
            "Memory of a fresh process: once libraries are loaded, the arrays of one "
            "instance, and the highest after all solves.",
        ),
    )  # fmt: skip


def arrays(layers: int, seed: int) -> tuple[Any, Any, Any, int]:
    """Offsets, costs, weights and a capacity of 4 bits per weight, of the mpq family."""
    rng = np.random.default_rng(seed)
    widths = np.array(BITS[8], dtype=np.int64)
    sizes = mpq.layer_sizes(rng, layers)
    cost = mpq.layer_costs(rng, layers, widths, 3.0, 0.3).ravel()
    offsets = np.arange(layers + 1, dtype=np.int64) * widths.size
    return offsets, cost, (sizes[:, None] * widths).ravel(), 4 * int(sizes.sum())


def measure(layers: int, seeds: range) -> None:
    """Solve and print what it took as JSON."""
    solve_core(*arrays(100, 1))
    libraries, runs = _peak(), []
    for seed in seeds:
        instance = arrays(layers, seed)
        seconds, processor = [], []
        for _ in range(5):
            start, used = time.perf_counter(), time.process_time()
            result = solve_core(*instance)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
        assert result.status == "optimal"
        runs.append(
            {
                "seconds": statistics.median(seconds),
                "processor": min(processor),
                "states_total": result.stats["states_total"],
                "branches": result.stats.get("branches", 0),
            }
        )
    size = sum(array.nbytes for array in instance[:3]) / 2**20
    print(json.dumps({"runs": runs, "libraries": libraries, "arrays": size, "peak": _peak()}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
