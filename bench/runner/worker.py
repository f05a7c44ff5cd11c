"""The process that runs one solver on one instance: ``python -m bitknap.bench.runner.worker``.

It reads a task as one line of JSON and answers with lines of JSON on what was its standard output;
whatever back-ends print goes to standard error. When its standard input ends, its parent is gone:
it then ends itself and the processes that it started.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bitknap.problems import Instance, SolverError, UnsupportedError, build_instance
from bitknap.problems.memory import forget_peak, peak_bytes, status_bytes
from bitknap.solvers import Limits, Solution, Solver, load_solver, solve

from ..records.status import RunStatus
from .cases import InstanceRecipe, content_hash


def main() -> None:
    """Serve one task."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if task["cpu"] is not None:
        os.sched_setaffinity(0, {task["cpu"]})
    for answer in _serve(task):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock a forked process would find taken when it closes it.
    while os.read(0, 1 << 16):
        pass
    os.killpg(0, signal.SIGKILL)


def _serve(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer when it is warm, then one per run."""
    instance = InstanceRecipe(**task["case"]).build()
    if content_hash(instance) != task["hash"]:
        raise SystemExit("the instance is not the planned one: its file or its family has changed")
    try:
        solver = load_solver(task["solver"])
    except UnsupportedError as error:
        yield {"warm": True}
        yield {"status": "unsupported", "message": str(error)}
        return
    limits = Limits(time=task["time"], threads=task["threads"])
    _warm_up(solver, instance, limits)
    _limit_memory(task["memory"])
    yield {"warm": True}
    for repeat in task["repeats"]:
        yield _run(task["solver"], solver, instance, limits, task["seed"] + repeat)


def _warm_up(solver: Solver, instance: Instance, limits: Limits) -> None:
    """Import what the timed solve needs; a failure here is left for that solve to report."""
    count = instance.n_resources
    items = [[(3, [1] * count), (1, [2] * count)], [(5, [1] * count), (1, [3] * count)]]
    try:
        solve(build_instance(items, [4] * count, name="warm-up"), solver, limits=limits)
    except Exception as error:
        print(f"the warm-up failed: {type(error).__name__}: {error}", file=sys.stderr)


def _limit_memory(allowed: int) -> None:
    """Let private memory grow by the allowance from here on; a larger request fails at once."""
    if (now := status_bytes("VmData")) is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (now + allowed,) * 2)


def _run(
    name: str, solver: Solver, instance: Instance, limits: Limits, seed: int
) -> dict[str, Any]:
    """Status, objective, bound, times and peak memory of one solve."""
    seeded = hasattr(solver, "seed")
    method = replace(solver, seed=seed) if seeded else name  # type: ignore[type-var]
    forget_peak()
    before = _cpu_seconds()
    try:
        answer = _answer(solve(instance, method, limits=limits))
    except SolverError as error:
        answer = {"status": RunStatus.REFUTED, "message": str(error)}
    except MemoryError:
        answer = {
            "status": RunStatus.MEMORY,
            "message": "a request for memory beyond the limit failed",
        }
    except Exception as error:
        answer = {"status": RunStatus.CRASHED, "message": f"{type(error).__name__}: {error}"}
    return answer | {"cpu_seconds": _cpu_seconds() - before, "memory": peak_bytes()}


def _answer(solution: Solution) -> dict[str, Any]:
    return {
        "status": solution.status.value,
        "objective": solution.objective,
        "bound": solution.bound,
        "seconds": solution.seconds,
        "message": solution.message,
    }


def _cpu_seconds() -> float:
    """Processor time of this process and of those it started that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main()
