"""Run tasks side by side: in threads that each watch one process, or on a Dask cluster."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from bitknap.problems import DataError, UnsupportedError

from ..records.record import Record
from .plan import Task
from .supervise import supervise

Sink = Callable[[Record], None]
"""Takes each record as it comes, from several threads at once."""


def processors() -> list[int | None]:
    """The processors this process may use; where the system does not say, as many unknown ones."""
    if hasattr(os, "sched_getaffinity"):
        return [*sorted(os.sched_getaffinity(0))]
    return [None] * (os.cpu_count() or 1)


def run_locally(tasks: Sequence[Task], workers: int, sink: Sink) -> None:
    """Run tasks in ``workers`` processes at a time, each on a processor of its own if they suffice.

    Raises:
        BaseException: what the sink raised, or an interrupt, after all processes were ended.
    """
    found = processors()
    slots: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for index in range(workers):
        slots.put(found[index] if workers <= len(found) else None)
    stop = threading.Event()

    def serve(task: Task) -> None:
        slot = slots.get()
        try:
            for record in supervise(task, slot if task.allowance.threads == 1 else None, stop):
                sink(record)
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(serve, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def run_on_dask(tasks: Sequence[Task], address: str, sink: Sink) -> None:
    """Run tasks on the workers of a Dask cluster.

    A task whose worker dies is given to another by the scheduler; its records are taken once, when
    the task as a whole is done.

    Raises:
        UnsupportedError: the package ``distributed`` is missing.
        DataError: no scheduler answers, or a task outlived several workers.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise UnsupportedError(
            "--dask needs the package 'distributed'; pip install 'bitknap[dask]'"
        ) from None
    try:
        client = Client(address, timeout=5)
    except (OSError, ValueError) as error:
        raise DataError(f"no Dask scheduler answers at {address} ({error})") from None
    with client:
        futures = client.map(collect, tasks, pure=False)
        try:
            for _, records in as_completed(futures, with_results=True):
                for record in records:
                    sink(record)
        except KilledWorker as error:
            raise DataError(f"several Dask workers died of one task: {error}") from None
        finally:
            client.cancel(futures)


def collect(task: Task) -> list[Record]:
    """All records of a task."""
    return list(supervise(task))
