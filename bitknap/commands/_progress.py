"""Progress on stderr, so that stdout holds results alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bitknap.bench.tables.terminal import Terminal

PAUSE = 10.0
"""Seconds between two lines of a log that differ only in the text after a colon."""


@contextmanager
def progress(text: str, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done; yields the function that is told of it.

    A terminal shows the last text beside a spinner, anything else gets a line for each, of counts
    now and then; nothing is shown when quiet.
    """
    console = Terminal(stderr=True, quiet=quiet)
    work, until = "", 0.0
    with console.status(text) as status:

        def say(text: str) -> None:
            nonlocal work, until
            status.update(console.render_str(text))
            now, about = time.monotonic(), text.partition(":")[0]
            if not console.is_terminal and (about != work or now >= until):
                work, until = about, now + PAUSE
                console.say(text)

        yield say
