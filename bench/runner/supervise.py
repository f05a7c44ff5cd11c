"""Run a task in a process of its own, under limits that hold whatever the solver does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

import psutil

from ..records.record import Record
from ..records.status import RunStatus
from .plan import Task, is_final

POLL = 0.02
"""Seconds between two looks at the memory of the process."""

NEAR = 0.8
"""A process that dies of a signal with this share of its memory limit in use died of memory."""

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Cut(Exception):
    """The process did not answer; carries the status and a sentence."""


class SuiteStopped(Exception):
    """The suite is being stopped."""


def supervise(
    task: Task, cpu: int | None = None, stop: threading.Event | None = None
) -> Iterator[Record]:
    """Yield the record of each run of a task as it ends.

    The process is killed, with all that it started, when a run takes longer than its time limit
    and the grace, when its memory exceeds the limit, and when ``stop`` is set; the last ends the
    iteration without a record. No run follows one that a limit stopped.
    """
    with tempfile.TemporaryFile() as errors:
        child = Child(task, cpu, errors, stop or threading.Event())
        try:
            yield from _records(task, child)
        except SuiteStopped:
            return
        finally:
            child.kill()


def _records(task: Task, child: Child) -> Iterator[Record]:
    allowed = task.allowance
    warm = False
    for repeat in task.repeats:
        try:
            if not warm:
                child.answer(allowed.warm_up, "its warm-up")
                warm = True
            child.peak = 0
            answer = child.answer(allowed.time + allowed.grace, "its time limit")
        except Cut as cut:
            status, message = cut.args
            seconds = child.waited if warm else 0.0
            child.kill()
            where = "" if warm else "in the warm-up: "
            yield task.record(
                repeat, status, seconds, memory=child.peak or None, message=where + message
            )
            return
        memory = max(answer.pop("memory", 0), child.peak)
        record = task.record(repeat, **answer, memory=memory or None)
        yield record
        if is_final(record):
            return


class Child:
    """The process of a task.

    Args:
        cpu: the only processor it may use, or None.
    """

    def __init__(
        self, task: Task, cpu: int | None, errors: IO[bytes], stop: threading.Event
    ) -> None:
        self.limit = task.allowance.memory
        self.peak = 0
        self.waited = 0.0
        self._ended = False
        self._errors, self._stop = errors, stop
        self._buffer = b""
        threads = str(task.allowance.threads)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bitknap.bench.runner.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | dict.fromkeys(_THREAD_VARIABLES, threads),
            start_new_session=True,
        )
        self._family = ProcessTree(self._process.pid)
        order = asdict(task.allowance) | {
            "case": asdict(task.case),
            "hash": task.facts.instance_hash,
            "solver": task.solver,
            "repeats": task.repeats,
            "seed": task.seed,
            "cpu": cpu,
        }
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, allowed: float, what: str) -> dict[str, Any]:
        """Its next answer, within ``allowed`` seconds; ``waited`` tells how long it took.

        Raises:
            Cut: it ran out of time or memory, or died.
            Stopped: the suite is being stopped.
        """
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        start = time.monotonic()
        while b"\n" not in self._buffer:
            if select.select([pipe], [], [], POLL)[0]:
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    raise self._death()
                self._buffer += chunk
            if self._stop.is_set():
                raise SuiteStopped
            self.waited = time.monotonic() - start
            self.peak = max(self.peak, self._family.resident())
            if self.peak > self.limit:
                raise Cut(
                    RunStatus.MEMORY, f"used more than {self.limit / 1e6:g} MB and was killed"
                )
            if self.waited > allowed:
                raise Cut(
                    RunStatus.KILLED, f"did not keep {what} and was killed after {allowed:g} s"
                )
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self) -> Cut:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = f": {lines[-1].strip()[:200]}" if lines else ""
        if code >= 0:
            return Cut(RunStatus.CRASHED, f"its process ended with exit code {code}{reason}")
        name = signal.Signals(-code).name
        if self.peak > NEAR * self.limit:
            return Cut(RunStatus.MEMORY, f"its process died of {name} near {self.limit / 1e6:g} MB")
        return Cut(RunStatus.CRASHED, f"its process died of {name}{reason}")

    def kill(self) -> None:
        """Kill it and all that it started; does nothing when it has ended."""
        if self._ended:
            return
        self._ended = True
        descendants = self._family.descendants()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in descendants:
            # Those that left the process group.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


class ProcessTree:
    """A process and its descendants, looked for a few times a second."""

    def __init__(self, pid: int) -> None:
        self._members: list[psutil.Process] = []
        self._next = 0.0
        self._root = psutil.Process(pid)

    def descendants(self) -> list[psutil.Process]:
        """Its children, their children, and so on, as long as it lives."""
        try:
            return list(self._root.children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def resident(self) -> int:
        """Bytes of resident memory of all of them."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._members = [self._root, *self.descendants()]
        total = 0
        for member in self._members:
            try:
                total += member.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total
