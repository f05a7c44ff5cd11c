"""Output on a terminal: every text is shown literally, never taken for markup or control codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod, RenderableType
from rich.status import Status
from rich.table import Table as RichTable
from rich.text import Text

from bitknap.problems.names import shown_lines

from .table import Table

WIDTH = 160
"""Columns of a file or a pipe, where nothing says how wide it is."""

_MANY, _WIDEST = 1000, 60
"""Rows of a table from which on columns are plain, and their most letters."""


class Terminal(Console):
    """A console that shows texts as they are, wherever in a table or a line they stand.

    Args:
        width: of what is not a terminal.
    """

    def __init__(
        self, *, stderr: bool = False, width: int | None = None, quiet: bool = False
    ) -> None:
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
        if width is not None and not self.is_terminal:
            self.width = width

    def render_str(self, text: str, **options: Any) -> Text:
        """The text that a string stands for; rich turns every string into one by this."""
        return super().render_str(
            shown_lines(text), **(options | {"markup": False, "emoji": False})
        )

    def status(self, status: RenderableType, **options: Any) -> Status:
        """A spinner; rich takes a string beside it, unlike all others, for markup."""
        text = self.render_str(status) if isinstance(status, str) else status
        return super().status(text, **options)

    def say(self, text: str) -> None:
        """A line, not folded."""
        self.print(text, soft_wrap=True)


def say(text: str) -> None:
    """A line of results on standard output."""
    Terminal().say(text)


def note(text: str) -> None:
    """A line on standard error, beside the results."""
    Terminal(stderr=True).say(text)


def table(*headings: str, right: int | None = None, **options: Any) -> RichTable:
    """A table whose cells are folded where they are too long, never cut.

    Args:
        right: from which column on cells stand right; by default none.
    """
    found = RichTable(**({"box": box.SIMPLE} | options))
    for index, heading in enumerate(headings):
        justify: JustifyMethod = "left" if right is None or index < right else "right"
        found.add_column(heading, justify=justify, overflow="fold")
    return found


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of texts on stdout; one of many rows as plain columns, since rich is slow.

    Example:
        >>> print_rows(("class", "choice"), [("conv1", "4")] * 1001)  # doctest: +ELLIPSIS
        class  choice
        conv1  4
        ...
    """
    if len(rows) <= _MANY:
        shown = table(*headings)
        for row in rows:
            shown.add_row(*row)
        Terminal().print(shown)
        return
    cells = [list(map(shown_lines, row)) for row in (headings, *rows)]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def print_table(printed: Table) -> None:
    """Print a table with its notes on stdout; one that is too wide in parts, by columns."""
    console = Terminal(width=WIDTH)
    console.print(printed.title, style="bold")
    parts = _parts(printed, console.width)
    tight = {"padding": (0, 1, 0, 0)} if len(parts) > 1 else {}
    for part in parts if printed.rows else ():
        headings = [printed.columns[k] for k in part]
        shown = table(*headings, right=printed.text_columns, box=box.SIMPLE_HEAD, **tight)
        for row in printed.rows:
            shown.add_row(*(row[k] for k in part))
        console.print(shown)
    for line in printed.notes:
        for text in console.render_str(line).wrap(console, console.width - 2):
            console.say(f"  {text.plain.rstrip()}")
    console.print()


def _parts(printed: Table, width: int) -> list[list[int]]:
    """The columns of each part: those of text in every one, as many others as fit.

    One part where the table fits, and where a single column does not: then cells are folded.
    """
    cells = zip(printed.columns, *printed.rows, strict=True)
    widths = [2 + max(cell_len(shown_lines(cell)) for cell in column) for column in cells]
    everything, text = list(range(len(widths))), list(range(printed.text_columns))
    numbers = everything[len(text) :]
    room = width - 1 - sum(widths[k] for k in text)
    if sum(widths) + len(widths) < width or any(widths[k] > room for k in numbers):
        return [everything]
    parts, left = [list(text)], room
    for k in numbers:
        if widths[k] > left:
            parts.append(list(text))
            left = room
        parts[-1].append(k)
        left -= widths[k]
    return parts
