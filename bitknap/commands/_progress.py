"""Progress on stderr, so that stdout holds results alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bitknap.bench.tables.terminal import Terminal

COUNT = re.compile(r"\b(\d+) of (at most )?(\d+)\b")

PAUSE = 10.0
"""Seconds between two lines of a log that differ only in the text after a colon."""


class Remaining:
    """Adds to texts that count what is left of their phase, by the pace so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.phase: tuple[str, int] = ("", 0)
        self.first, self.last, self.since = 0, 0, 0.0

    def told(self, text: str) -> str:
        """The text, with the time left where it can be told."""
        count = COUNT.search(text)
        if count is None:
            return text
        done, bound, total = int(count[1]), count[2] or "about ", int(count[3])
        phase = (text.split()[0], total)
        if phase != self.phase or done < self.last:
            self.phase, self.first, self.since = phase, done, self.clock()
        self.last = done
        passed = self.clock() - self.since
        if done == self.first or passed < 2.0:
            return text
        seconds = passed / (done - self.first) * (total - done)
        return f"{text}, {bound}{_duration(seconds)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


@contextmanager
def progress(text: str, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done; yields the function that is told of it.

    A terminal shows the last text beside a spinner, anything else gets a line for each, of counts
    now and then; nothing is shown when quiet. A text that counts, ``7 of 9``, is shown with the
    time that is left.
    """
    console = Terminal(stderr=True, quiet=quiet)
    work, until = "", 0.0
    left = Remaining()
    with console.status(text) as status:

        def say(text: str) -> None:
            nonlocal work, until
            text = left.told(text)
            status.update(console.render_str(text))
            now, about = time.monotonic(), text.partition(":")[0]
            if not console.is_terminal and (about != work or now >= until):
                work, until = about, now + PAUSE
                console.say(text)

        yield say
