"""Grids on the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from .grids import Grid

_WIDTH = 160
"""Columns of a file or a pipe, where nothing says how wide it is."""


def print_grid(grid: Grid) -> None:
    """Print a grid with its notes on stdout."""
    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(grid.columns):
        justify: JustifyMethod = "left" if index < grid.text_columns else "right"
        table.add_column(escape(column), justify=justify, overflow="fold")
    for row in grid.rows:
        table.add_row(*map(escape, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(grid.title, style="bold", highlight=False, markup=False)
    console.print(table)
    for note in grid.notes:
        console.print(f"  {note}", highlight=False, markup=False)
    console.print()
