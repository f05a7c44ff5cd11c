"""The command line's boundary: valid option values, and how an unexpected error is reported."""

from __future__ import annotations

import math
import os
import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from bitknap.problems import DataError
from bitknap.problems.names import shown
from bitknap.problems.schema import brief

MOST_INTEGER = 1 << 62
"""Upper limit of integers, so that they and their sums fit in 64 bits."""

MOST_TEXT = 4096
"""Longest argument in characters, the usual limit of a path."""


class Command(TyperCommand):
    """A command that accepts only options with valid numbers and texts.

    Numbers are finite and within 62 bits, texts are Unicode of at most `MOST_TEXT` characters, and
    ``--out`` is none of the files that the command reads.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command if its options are valid."""
        given = [
            (_option(parameter), value)
            for parameter in self.params
            for value in _each(ctx.params.get(parameter.name or ""))
        ]
        for option, value in given:
            _check(option, value)
        _check_out(given)
        return super().invoke(ctx)


def _option(parameter: Any) -> str:
    names = [name for name in parameter.opts if name.startswith("-")]
    return names[0] if names else str(parameter.name).upper()


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _check(option: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{option} must be a finite number, got {value}")
    if isinstance(value, int) and not -MOST_INTEGER < value < MOST_INTEGER:
        raise DataError(f"{option} must be an integer of less than 2^62, got {brief(value)}")
    if isinstance(value, str | Path):
        text = str(value)
        if len(text) > MOST_TEXT:
            raise DataError(
                f"{option} must have at most {MOST_TEXT:,} characters, got {len(text):,}"
            )
        if "\0" in text or text != text.encode(errors="replace").decode():
            raise DataError(f"{option} must be Unicode without NUL, got {text!r}")


def _check_out(given: list[tuple[str, Any]]) -> None:
    """Refuse to write over what is read; folders may be read and added to."""
    outs = [Path(value) for option, value in given if option == "--out" and value is not None]
    for out in outs:
        for option, value in given:
            if option != "--out" and isinstance(value, str | Path) and _same_file(out, value):
                raise DataError(f"--out {out} is the input {option}; name another file")


def _same_file(out: Path, other: str | Path) -> bool:
    try:
        return out.is_file() and out.samefile(other)
    except OSError:
        return False


def unforeseen(error: Exception) -> str:
    """Save the traceback of an error that is a fault of bitknap, and say so in a sentence."""
    lines = [
        f"bitknap {_version()}, Python {platform.python_version()}, {platform.platform()}",
        shlex.join(["bitknap", *sys.argv[1:]]),
        *traceback.format_exception(error),
    ]
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    try:
        handle, path = tempfile.mkstemp(prefix="bitknap-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write("\n".join(lines))
        where = f"the traceback is in {path}; please report it with that file"
    except OSError as problem:
        where = f"the traceback could not be saved ({problem.strerror}); please report it"
    return shown(
        f"a fault of bitknap, not of your input: {what}; {where} to the developers "
        "(CONTRIBUTING.md, Reporting a fault)"
    )


def _version() -> str:
    from . import __version__

    return __version__
