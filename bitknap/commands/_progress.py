"""Progress on stderr, so that stdout holds results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def progress(text: str, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done; yields the function that is told of it.

    A terminal shows the last text beside a spinner, anything else gets a line for each; nothing
    is shown when quiet.
    """
    console = Console(stderr=True, quiet=quiet)
    with console.status(text) as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text, highlight=False, markup=False, soft_wrap=True)

        yield say
