"""Run the consoles in documents: ``python -m bitknap.bench.documents.consoles [--write] FILE``.

pytest-examples runs blocks of Python only, and these are of the shell.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bitknap.problems import BitknapError, DataError, write_atomically

BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
"""A fenced block of commands, each behind ``$``, with what they print."""
COMMAND = re.compile(r"^\$ (.*)\n", re.MULTILINE)
PROGRAMS = {"bitknap": [sys.executable, "-m", "bitknap"], "python": [sys.executable]}
WIDTH = "100"


def update(text: str, folder: Path) -> tuple[str, list[str]]:
    """A document with the output of its commands as it is now, and what differed.

    The commands of one document run in one folder, in order. Where the document says ``...``, any
    text matches: for times, and for output that is left out.

    Args:
        folder: empty; what the commands write stays there.

    Returns:
        The document, and one sentence for each command whose output is not what it says.

    Raises:
        DataError: a command is neither bitknap's nor Python's.
    """
    changed: list[str] = []

    def renew(block: re.Match[str]) -> str:
        return "".join(_renewed(command, said) for command, said in _commands(block[0]))

    def _renewed(command: str, said: str) -> str:
        printed = run(command, folder)
        if doctest.OutputChecker().check_output(said, printed, doctest.ELLIPSIS):
            return f"$ {command}\n{said}"
        changed.append(f"`{command}` printed:\n{printed}but the document says:\n{said}")
        return f"$ {command}\n{printed}"

    return BLOCK.sub(renew, text), changed


def _commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block with the text below it."""
    _, *parts = COMMAND.split(block)
    return zip(parts[::2], parts[1::2], strict=True)


def run(command: str, folder: Path) -> str:
    """What a command prints on stdout and stderr, spaces at line ends and empty lines left out."""
    program, *arguments = shlex.split(command)
    if program not in PROGRAMS:
        known = " or ".join(PROGRAMS)
        raise DataError(f"an example may run {known}, got {program!r}; use another kind of block")
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


def main(arguments: list[str]) -> int:
    """Check documents, or write what their commands print now; 1 where something differs."""
    write = "--write" in arguments
    differences = 0
    for path in [Path(a) for a in arguments if a != "--write"]:
        text = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            new, changed = update(text, Path(folder))
        differences += len(changed)
        for sentence in changed:
            print(f"{path}: {sentence}")
        if write and new != text:
            write_atomically(path, new)
    return int(differences > 0 and not write)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BitknapError, OSError) as error:
        sys.exit(f"bitknap: {error}")
