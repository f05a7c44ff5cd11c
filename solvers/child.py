"""A call in a process of its own, which is killed when its time is over."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from bitknap.problems import SolverError

Result = TypeVar("Result")

# What a call may take beyond its time before it is ended, as a share and in seconds.
_SHARE, _GRACE = 0.1, 0.25


def within(seconds: float | None, call: Callable[[], Result]) -> Result | None:
    """The result of a call, or None when it does not return in time.

    Compiled back-ends check the clock when they choose to, and cannot be interrupted. With a
    limit the call runs in a forked process, which is killed with all that it has started a little
    after the limit; without one, or where processes cannot fork, it runs in this one.

    Raises:
        SolverError: the process died; the sentence says how.
        Exception: whatever the call raises.
    """
    if seconds is None or "fork" not in multiprocessing.get_all_start_methods():
        return call()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    most = seconds * (1.0 + _SHARE) + _GRACE
    process = context.Process(target=_run, args=(there, most, call), daemon=False)
    with warnings.catch_warnings():
        # The child touches nothing that other threads of this process may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    there.close()
    try:
        if not here.poll(most):
            return None
        failed, result = here.recv()
    except EOFError:
        process.join()
        raise SolverError(
            f"the back-end's process ended with exit code {process.exitcode} and no answer"
        ) from None
    finally:
        _end(process.pid)
        process.join()
        here.close()
    if failed:
        raise result
    answer: Result = result
    return answer


def _run(there: Connection, seconds: float, call: Callable[[], object]) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # If this process' parent is killed, the child ends by itself some time later.
    limit = math.ceil(seconds * (os.cpu_count() or 1)) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
    try:
        answer: tuple[bool, object] = False, call()
    except Exception as error:
        answer = True, error
    there.send(answer)
    there.close()


def _end(pid: int | None) -> None:
    """Kill a process and its group, which it leads as soon as it runs."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid or 0, signal.SIGKILL)
        except ProcessLookupError:
            continue
