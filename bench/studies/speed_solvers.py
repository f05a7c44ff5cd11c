"""The core solver's speed: against the general solvers, at large scale, on Pisinger's families."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np

from bitknap.bench.grids import Grid
from bitknap.problems import Instance
from bitknap.problems.families import FAMILIES, mpq
from bitknap.solvers import Solver, Status, solve
from bitknap.solvers.core import solve_core
from bitknap.solvers.methods.core import Core

PEERS = ("highs", "cbc", "scip", "cpsat")
BITS = {3: (2, 4, 8), 8: (2, 3, 4, 5, 6, 7, 8, 16)}
PISINGER = (
    ("uncorrelated", 10000, 10, 10000),
    ("weakly_correlated", 10000, 10, 10000),
    ("strongly_correlated", 1000, 10, 1000),
    ("strongly_correlated", 10000, 10, 10000),
    ("subset_sum", 10000, 10, 10000),
    ("zigzag", 1000, 100, 10000),
    ("zigzag", 100, 1000, 10000),
)


def study(quick: bool) -> Iterator[Grid]:
    """Against the peers by layers; 100,000 and 1,000,000 layers; classical families."""
    solve(mpq.generate(), Core("numba"))
    yield _against_peers((20, 54, 200) if quick else (20, 54, 200, 1000, 10000), quick)
    yield _large((100_000,) if quick else (100_000, 1_000_000))
    yield _families(PISINGER[:3] if quick else PISINGER, range(1, 3 if quick else 6))


def _against_peers(layers: Sequence[int], quick: bool) -> Grid:
    seconds = 10.0 if quick else 60.0
    seeds = range(1, 2 if quick else 4)
    rows = []
    for count in layers:
        for items, bits in BITS.items():
            instances = [mpq.generate(classes=count, bits=bits, seed=s) for s in seeds]
            repeats = max(3, 20_000 // count)
            numpy = _median(instances, Core("numpy"), min(repeats, 30))
            numba = _median(instances, Core("numba"), min(repeats, 100))
            peers = {name: _peer(instances, name, seconds) for name in PEERS}
            proven = {name: t for name, (t, ok) in peers.items() if ok}
            best = min(proven, key=proven.__getitem__) if proven else ""
            rows.append(
                [
                    f"{count}",
                    f"{items}",
                    f"{1e3 * numpy:.3g}",
                    f"{1e3 * numba:.3g}",
                    *(f"{1e3 * t:.3g}" if ok else "-" for t, ok in peers.values()),
                    f"{best} {proven[best] / numba:.0f}x" if best else f"> {seconds / numba:.0f}x",
                ]
            )
    return Grid(
        "Proof of the optimum, milliseconds",
        ("layers", "items", "core numpy", "core numba", *PEERS, "fastest other / core"),
        rows,
        notes=(
            f"Median over seeds {seeds.start} to {seeds.stop - 1} of the mpq family, warm, one "
            "thread, the method's own clock; core is the median of repeated solves.",
            f"-: not all proven within {seconds:g} s.",
        ),
        text_columns=1,
    )


def _median(instances: Sequence[Instance], solver: Solver, repeats: int) -> float:
    """Median over instances of the median seconds of repeated solves."""
    medians = []
    for instance in instances:
        answers = [solve(instance, solver) for _ in range(repeats)]
        assert all(a.status is Status.OPTIMAL for a in answers)
        medians.append(statistics.median(a.seconds for a in answers))
    return statistics.median(medians)


def _peer(instances: Sequence[Instance], name: str, seconds: float) -> tuple[float, bool]:
    """Median seconds, and whether all were proven; stops at the first that was not."""
    times = []
    for instance in instances:
        answer = solve(instance, name, seconds)
        times.append(answer.seconds)
        if answer.status is not Status.OPTIMAL:
            return statistics.median(times), False
    return statistics.median(times), True


def _large(layers: Sequence[int]) -> Grid:
    rows = []
    for count in layers:
        rng = np.random.default_rng(1)
        widths = np.array(BITS[8], dtype=np.int64)
        sizes = mpq.layer_sizes(rng, count)
        cost = mpq.layer_costs(rng, count, widths, 3.0, 0.3).ravel()
        weight = (sizes[:, None] * widths).ravel()
        offsets = np.arange(count + 1, dtype=np.int64) * widths.size
        times = []
        for _ in range(5):
            start = time.perf_counter()
            result = solve_core(offsets, cost, weight, 4 * int(sizes.sum()), kernel="numba")
            times.append(time.perf_counter() - start)
        assert result.optimal
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(
            [
                f"{count:,}",
                "8",
                f"{1e3 * statistics.median(times):.0f}",
                f"{result.stats['core_size']}",
                f"{result.stats['states_total']}",
                f"{peak:.0f}",
            ]
        )
    return Grid(
        "Large instances, proven, arrays in memory",
        ("layers", "items", "core numba, ms", "core classes", "states", "peak memory, MB"),
        rows,
        notes=("Peak memory is that of the whole process so far, arrays and libraries included.",),
        text_columns=1,
    )


def _families(cells: Sequence[tuple[str, int, int, int]], seeds: range) -> Grid:
    rows = []
    for family, classes, items, limit in cells:
        generate = FAMILIES.load(family)
        times = []
        for seed in seeds:
            instance = generate(classes=classes, items=items, range_=limit, seed=seed)
            times.append(_median([instance], Core("numba"), 3))
        rows.append(
            [
                family,
                f"{classes}",
                f"{items}",
                f"{limit}",
                f"{1e3 * statistics.median(times):.3g}",
                f"{1e3 * max(times):.3g}",
            ]
        )
    return Grid(
        "Pisinger's families, proven, milliseconds",
        ("family", "classes", "items", "range", "median", "largest"),
        rows,
        notes=(f"Seeds {seeds.start} to {seeds.stop - 1}, the capacity of the program.",),
        text_columns=1,
    )
