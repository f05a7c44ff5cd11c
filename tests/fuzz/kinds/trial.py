"""A trial: a command with the files that it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bitknap.cli import main

from ..harness import Done

Check = Callable[[Done], str | None]


@dataclass(frozen=True)
class Trial:
    """A command with the files that it finds, and what must hold beside `Done.wrong`.

    Args:
        arguments: of the command line; for other readers what a fault is shown by.
        files: name -> content.
        check: what is wrong with how it ended, or None.
        run: what is called; the command line by default.
    """

    arguments: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    check: Check = lambda done: None
    run: Callable[[], None] = main


Kind = Callable[[Random], Trial]
