"""Call a command in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from bitknap.cli import build_app
from bitknap.problems import BitknapError


def call(name: str, *arguments: str | Path) -> str:
    """What a command prints on stdout.

    Raises:
        BitknapError: as the command raises it.
    """
    result = CliRunner().invoke(build_app(name), [name, *map(str, arguments)])
    if isinstance(result.exception, BitknapError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout
