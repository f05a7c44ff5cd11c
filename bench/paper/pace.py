"""Progress of a study, and an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


class Pace:
    """Counts cells of several kinds and estimates the time of those that are left.

    The mean time of the cells done, kind by kind; a kind of which none is done yet is left out,
    and the estimate is said to be a lower bound.

    Args:
        say: told what is being done, with the estimate.
    """

    def __init__(self, total: Mapping[str, int], say: Callable[[str], None]) -> None:
        self.total, self._say = dict(total), say
        self.done = dict.fromkeys(total, 0)
        self.seconds = dict.fromkeys(total, 0.0)
        self._now = ""

    @property
    def left(self) -> tuple[float, bool]:
        """Estimated seconds, and whether they are a lower bound."""
        known = {kind: done for kind, done in self.done.items() if done}
        missing = {kind: self.total[kind] - done for kind, done in self.done.items()}
        seconds = sum(self.seconds[k] / n * missing[k] for k, n in known.items())
        return seconds, any(n for kind, n in missing.items() if kind not in known)

    @contextmanager
    def cell(self, kind: str, what: str) -> Iterator[None]:
        """Do one cell; it counts when it ends without an error."""
        self._now = what
        self.say("")
        start = time.perf_counter()
        yield
        self.done[kind] += 1
        self.seconds[kind] += time.perf_counter() - start

    def say(self, detail: str) -> None:
        """What is being done within the cell."""
        seconds, bound = self.left
        number, total = sum(self.done.values()) + 1, sum(self.total.values())
        some = any(self.done.values())
        left = f", {'more than ' if bound else ''}{duration(seconds)} left" if some else ""
        self._say(f"{number} of {total}{left}: {self._now}{f', {detail}' if detail else ''}")


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
