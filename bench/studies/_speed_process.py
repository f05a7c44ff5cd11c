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

from bitknap.problems import save_instance
from bitknap.problems.families import mpq
from bitknap.solvers import solve

from ..tables.table import Table
from ._speed_scale import BITS

LAYERS = 54
REPEATS = 500


def overhead() -> Table:
    """Seconds of ``solve`` beyond those of the method."""
    rows = []
    for items, bits in BITS.items():
        instance = mpq.generate(classes=LAYERS, bits=bits)
        method, rest = [], []
        for _ in range(REPEATS):
            start = time.perf_counter()
            inside = solve(instance, "core").seconds
            method.append(inside)
            rest.append(time.perf_counter() - start - inside)
        medians = (statistics.median(method), statistics.median(rest))
        rows.append([f"{LAYERS}", f"{items}", *(f"{1e3 * s:.3f}" for s in medians)])
    return Table(
        "The referee and Python around the method, milliseconds",
        ("layers", "items", "method", "around it"),
        rows,
        notes=(f"Medians of {REPEATS} solves.",),
    )


SCRIPT = """import sys, time, bitknap
instance = bitknap.load_instance(sys.argv[1])
start = time.perf_counter()
bitknap.solve(instance, sys.argv[2])
print(time.perf_counter() - start)"""


def cold_starts(repeats: int) -> Table:
    """Fresh processes: ``bitknap solve`` of a file, and the first solve of five lines of Python."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.json"
        for layers in (LAYERS, 1000):
            save_instance(mpq.generate(classes=layers), path)
            wall, cpu = [], []
            _run("-m", "bitknap", "solve", str(path))
            for _ in range(repeats):
                before, start = _children(), time.perf_counter()
                _run("-m", "bitknap", "solve", str(path))
                wall.append(time.perf_counter() - start)
                cpu.append(_children() - before)
            first = [
                statistics.median(
                    float(_run("-c", SCRIPT, str(path), solver)) for _ in range(repeats)
                )
                for solver in ("core", "highs")
            ]
            medians = (statistics.median(wall), statistics.median(cpu), *first)
            rows.append([f"{layers}", *(f"{1e3 * s:.3g}" for s in medians)])
    return Table(
        "Fresh processes, milliseconds",
        ("layers", "bitknap solve", "its processor time", "first solve, core", "highs"),
        rows,
        notes=(
            f"Medians of {repeats} processes. `bitknap solve`: with Python's start. First: by "
            "`bitknap.solve` after `bitknap.load_instance`, with what it imports and the referee.",
        ),
    )


def _run(*words: str) -> str:
    # As where bitknap was installed: compiled modules are kept.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True, env=kept
    )
    return done.stdout


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
