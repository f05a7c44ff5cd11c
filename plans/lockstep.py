"""Functions that run side by side, one at a time, and meet at named places."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Pause = Callable[[str, Any], None]
"""``pause(place, value)`` returns once the others that come to the place have met there."""


def run_in_lockstep(
    tasks: Sequence[Callable[[Pause], None]], meet: Callable[[str, Mapping[int, Any]], None]
) -> None:
    """Run tasks, each as far as a place at which it pauses.

    When every task has paused or ended, the one of their places that was reached first is met:
    tasks that wait there go on, the others wait on. A task that never comes there is not waited
    for. Every task has a thread, with PyTorch's modes its own, and only one thread runs at a time.

    Args:
        tasks: each is called with ``pause``.
        meet: called with a place and the values of the tasks that wait there, by their number.

    Raises:
        BaseException: what a task or ``meet`` raises; the other tasks end where they are.
    """
    running = [_Task(task) for task in tasks]
    reached: dict[str, int] = {}
    try:
        for task in running:
            task.go(reached)
        while waiting := {n: task for n, task in enumerate(running) if not task.ended}:
            place = min((task.place for task in waiting.values()), key=reached.__getitem__)
            here = {n: task for n, task in waiting.items() if task.place == place}
            meet(place, {n: task.value for n, task in here.items()})
            for task in here.values():
                task.go(reached)
    finally:
        for task in running:
            task.end()


class _EndedError(BaseException):
    """Ends a task at the place where it waits."""


class _Task:
    """One function in its thread."""

    def __init__(self, run: Callable[[Pause], None]) -> None:
        self.place, self.value = "", None
        self.ended = self._unwanted = False
        self._error: BaseException | None = None
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._main, args=(run,), daemon=True)
        self._thread.start()

    def go(self, reached: dict[str, int]) -> None:
        """Run to the next place, or to the end; note a place that is new."""
        self.value = None
        self._turn.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error
        if not self.ended:
            reached.setdefault(self.place, len(reached))

    def end(self) -> None:
        """End it where it waits."""
        self._unwanted = True
        self._turn.release()
        self._thread.join()

    def _main(self, run: Callable[[Pause], None]) -> None:
        try:
            self._await_turn()
            run(self._pause)
        except _EndedError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.ended = True
            self._back.release()

    def _pause(self, place: str, value: Any) -> None:
        self.place, self.value = place, value
        self._back.release()
        self._await_turn()

    def _await_turn(self) -> None:
        self._turn.acquire()
        if self._unwanted:
            raise _EndedError
