"""Write an instance as an MPS or LP file for any other solver."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import InstanceName


def command(
    instance: InstanceName,
    out: Annotated[Path, typer.Option(help="File to write, ending in .mps or .lp.")],
) -> None:
    """Write an instance as an MPS or LP file for any other solver.

    Costs keep all their digits, weights are exact integers, ties become equations. Names hold
    letters, digits, dots and underscores; other characters are `_` and two hexadecimal digits.
    """
    from bitknap.bench.tables.terminal import note
    from bitknap.problems.export import export_instance
    from bitknap.problems.library import find_instance

    export_instance(find_instance(instance), out)
    note(f"wrote {out}")
