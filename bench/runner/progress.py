"""Progress of a suite on standard error."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bitknap.problems.names import shown

from ..records.record import Record
from ..records.status import FAILURES
from ..tables.terminal import Terminal


class TerminalProgress:
    """A bar on a terminal; elsewhere nothing but a line where a run went wrong."""

    def __init__(self, name: str) -> None:
        self._console = console = Terminal(stderr=True)
        self._bar = Progress(
            TextColumn("{task.fields[suite]}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, suite=name)

    def say(self, text: str) -> None:
        """What is being done now."""
        self._bar.update(self._task, description=shown(text))

    def total(self, runs: int) -> None:
        """How many runs there are to do."""
        self._bar.update(self._task, total=runs)

    def finished(self, record: Record, skipped: int) -> None:
        """A run has ended, and ``skipped`` more of the same pair will not be done."""
        self._bar.update(
            self._task,
            advance=1 + skipped,
            description=shown(f"{record.solver} on {record.instance}: {record.status}"),
        )
        if record.status in FAILURES:
            self._console.say(
                f"{record.solver} on {record.instance}: {record.status}, {record.message}"
            )

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
