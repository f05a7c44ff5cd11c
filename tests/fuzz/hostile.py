"""Values that programs choke on, and ways to put them into documents and files."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

NAMES = [
    "", " ", "[/]", "enc[red]", "[bold", "\x1b]0;x\x07", "\x1b[2J", "a\nb", "a\rb", "a\tb", "\x00",
    "\x7f", "\x9b1m", "=cmd|' /C calc'!A0", "+1+1", "-2", "@x", "'x", "$x$", "$\\frac$", "a_b^c",
    "\\input{x}", "%", "&amp;<b>", "]]>", "--", "\u202egnp", "\u200b", "\ufeff", "\ufffe", "é",
    "名前", "\U0001f600", ":smile:", "../../x", "/dev/null", "a" * 300, "b" * 5000, "x\u2028y",
    "NaN", "null", "conv1", "l0", "fc", "2", "w4a8", "float", "ternary", "999", "-1", "core",
    "fisher", "optimal",
]  # fmt: skip
"""Texts, some of which mean something somewhere."""

NUMBERS: list[Any] = [
    0, 1, -1, 2, 3, 7, 0.0, -0.0, 0.5, 1e-320, 5e-324, 1e-300, 1e300, 1.7e308, -1e20, 1e20, 2**31,
    2**53, 2**53 + 1, 2**61, 2**62, 2**63 - 1, 2**63, 2**64, 10**19, -(2**63), -(2**70), 10**400,
    1e16, 0.1,
]  # fmt: skip

RAW = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 5000,
    '"\\ud800"',
    "-0",
    "[" * 3000,
    "01",
    "1.",
    "",
]
"""Texts in place of a value."""

OTHERS: list[Any] = [None, True, False, [], {}, [[]], [1], {"a": 1}, "", [None], {"": {}}]

_MARK = "@raw{}@"


def value(rng: Random) -> Any:
    """A hostile value of JSON; marks stand for `RAW`."""
    kind = rng.randrange(5)
    if kind == 0:
        return _MARK.format(rng.randrange(len(RAW)))
    return copy.deepcopy(rng.choice([NAMES, NUMBERS, NUMBERS, OTHERS][kind - 1]))


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    found = [path]
    if isinstance(document, dict | list):
        entries = document.items() if isinstance(document, dict) else enumerate(document)
        for key, entry in entries:
            found += places(entry, (*path, key))
    return found


def mutated(rng: Random, document: Any, most: int = 3) -> Any:
    """A copy of a document with one to so many changes."""
    result = {"": copy.deepcopy(document)}
    for _ in range(rng.randint(1, most)):
        path = rng.choice([place for place in places(result) if place])
        holder: Any = result
        for key in path[:-1]:
            holder = holder[key]
        _change(rng, holder, path[-1])
        if "" not in result:
            return value(rng)
    return result[""]


def _change(rng: Random, holder: Any, key: Any) -> None:
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(rng.randint(0, len(holder)), copy.deepcopy(holder[key]))
    elif kind == 1:
        holder[rng.choice(NAMES)] = value(rng)
    elif kind == 2 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        by = rng.choice([-1, 2, 10, 1000])
        holder[key] = by * holder[key]
    elif kind == 3 and isinstance(holder, list) and len(holder) > 1:
        other = rng.randrange(len(holder))
        holder[key], holder[other] = holder[other], holder[key]
    else:
        holder[key] = value(rng)


def to_text(document: Any, rng: Random) -> bytes:
    """The document as JSON with its marks replaced, sometimes with a key twice or cut off."""
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    for number, raw in enumerate(RAW):
        text = text.replace(f'"{_MARK.format(number)}"', raw)
    if rng.random() < 0.05 and '": ' in text:
        at = text.index('": ')
        start = text.rindex('"', 0, at)
        text = text[:start] + text[start : at + 2] + "1, " + text[start:]
    data = text.encode("utf-8", "surrogatepass")
    return damaged(rng, data) if rng.random() < 0.1 else data


def damaged(rng: Random, data: bytes, most: int = 8) -> bytes:
    """The bytes with some flipped, cut out, or repeated."""
    found = bytearray(data)
    for _ in range(rng.randint(1, most)):
        if not found:
            break
        at, kind = rng.randrange(len(found)), rng.randrange(4)
        if kind == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at] = rng.choice([0, 0xFF, 0x80, 0x22, 0x7F])
        elif kind == 2:
            del found[at : at + rng.choice([1, 4, 64, 1 << 20])]
        else:
            found[at:at] = found[max(0, at - 16) : at]
    return bytes(found)
