"""What surrounds the method: the referee and Python, and a command from a cold start."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bitknap.bench.grids import Grid
from bitknap.problems import save_instance
from bitknap.problems.families import mpq
from bitknap.solvers import solve
from bitknap.solvers.methods.core import Core

from ._speed_scale import BITS

LAYERS = 54
REPEATS = 500


def overhead() -> Grid:
    """Seconds of ``solve`` beyond those of the method."""
    rows = []
    for kernel in ("numpy", "numba"):
        for items, bits in BITS.items():
            instance, solver = mpq.generate(classes=LAYERS, bits=bits), Core(kernel)
            method, rest = [], []
            for _ in range(REPEATS):
                start = time.perf_counter()
                inside = solve(instance, solver).seconds
                method.append(inside)
                rest.append(time.perf_counter() - start - inside)
            medians = (statistics.median(method), statistics.median(rest))
            rows.append([kernel, f"{LAYERS}", f"{items}", *(f"{1e3 * s:.3f}" for s in medians)])
    return Grid(
        "The referee and Python around the method, milliseconds",
        ("kernel", "layers", "items", "method", "around it"),
        rows,
        notes=(f"Medians of {REPEATS} solves, warm.",),
        text_columns=1,
    )


def cold_starts(repeats: int) -> Grid:
    """``bitknap solve`` of a file in a fresh process, with and without a compiled kernel."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.json"
        save_instance(mpq.generate(classes=LAYERS), path)
        never = {**os.environ, "NUMBA_CACHE_DIR": str(Path(folder) / "cache")}
        for name, environment in (("compiled", dict(os.environ)), ("never compiled", never)):
            wall, cpu = [], []
            for _ in range(repeats):
                before, start = _children(), time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "bitknap", "solve", str(path)],
                    env=environment,
                    check=True,
                    capture_output=True,
                )
                wall.append(time.perf_counter() - start)
                cpu.append(_children() - before)
            rows.append([name, *(f"{1e3 * statistics.median(s):.0f}" for s in (wall, cpu))])
    return Grid(
        f"A cold `bitknap solve` of {LAYERS} layers, milliseconds",
        ("numba kernel", "wall", "processor"),
        rows,
        notes=(f"Medians of {repeats} fresh processes, Python's start included.",),
        text_columns=1,
    )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
