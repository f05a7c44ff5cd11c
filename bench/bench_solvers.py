"""pytest-benchmark: every solver on MPQ-like instances of 20, 54, 200 and 1,000 layers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bitknap.problems.families.mpq import generate
from bitknap.solvers import SOLVERS, Limits, Status, load_solver

LAYERS = (20, 54, 200, 1000)
BITS = (2, 3, 4, 5, 6, 7, 8, 16)
LIMITS = Limits(time=2.0)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", SOLVERS.names())
def test_solver(benchmark: Any, name: str, layers: int) -> None:
    """Time the method and its model, after one untimed solve that loads what it needs."""
    instance = generate(classes=layers, bits=BITS, seed=1)
    solver = load_solver(name)
    reason = solver.supports(instance)
    if reason is not None:
        pytest.skip(reason)
    start = time.perf_counter()
    first = solver.solve(instance, LIMITS)
    seconds = time.perf_counter() - start
    if first.status is Status.NO_SOLUTION or (solver.exact and first.status is Status.FEASIBLE):
        pytest.skip(f"no proof within {LIMITS.time:g} s")
    benchmark.group = f"{layers} layers"
    benchmark.extra_info["status"] = first.status.value
    benchmark.extra_info["cost"] = instance.objective(first.choice)  # type: ignore[arg-type]
    rounds = min(max(int(0.5 / seconds), 3), 200)
    benchmark.pedantic(solver.solve, args=(instance, LIMITS), rounds=rounds, iterations=1)
