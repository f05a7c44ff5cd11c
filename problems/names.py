"""Names, escaped for their destination: terminals, sentences, figures and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, invisible marks that turn or join text, halves of surrogate pairs."""

_NUMBER = re.compile(
    r"[-+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?( ?%| [A-Za-z/]+| ± \d+\.?\d*)?", re.IGNORECASE
)


def shown(text: str) -> str:
    r"""The text with invisible characters and terminal control codes as escapes.

    Example:
        >>> shown("conv\x1b[2J")
        'conv\\x1b[2J'
    """
    return _HIDDEN.sub(lambda match: ascii(match.group())[1:-1], text)


def shown_lines(text: str) -> str:
    """The same for a text that keeps its line ends."""
    return "\n".join(map(shown, text.split("\n")))


def cut(names: Sequence[str], width: int) -> list[str]:
    """Names shortened to a width, so that different names stay different.

    The middle of a long name is dropped; where two names would then be equal, a number replaces it.

    Args:
        width: at least 20.

    Example:
        >>> cut(["encoder.layers.0.attention.query", "encoder.layers.1.attention.query"], 20)
        ['encoder...(1)..query', 'encoder...(2)..query']
    """
    short = [shown(name) for name in names]
    short = [s if len(s) <= width else _middle(s, "...", width) for s in short]
    owners: dict[str, set[str]] = {}
    for name, s in zip(names, short, strict=True):
        owners.setdefault(s, set()).add(name)
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names), 1)}
    return [
        s if len(owners[s]) == 1 else _middle(shown(name), f"...({numbers[name]})..", width)
        for name, s in zip(names, short, strict=True)
    ]


def _middle(name: str, mark: str, width: int) -> str:
    left = width - len(mark)
    return name[: left - left // 2] + mark + name[len(name) - left // 2 :]


def drawn(text: str, width: int = 120) -> str:
    """A text for matplotlib: dollars are dollars, long lines are cut."""
    lines = [cut([line], width)[0] for line in text.split("\n")]
    return re.sub(r"(?<!\\)\$", r"\\$", "\n".join(lines))


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as CSV, whose text cells no spreadsheet takes for formulas.

    A cell that is not a number and begins with ``=``, ``+``, ``-``, ``@`` or an unseen character
    gets an apostrophe before it, which spreadsheets do not show.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _cell(text: str) -> str:
    text = shown_lines(text)
    if len(text) > 1 and text[0] in "=+-@'" and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
