"""Names of layers by pattern: globs, braces, and the first or last layer.

wcmatch would tell whether a name matches, but not what its wildcards stand for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from bitknap.problems.errors import DataError

FIRST, LAST = "@first", "@last"
"""Stand for the layers that run first and last."""

_WILD = {"*": "(.*)", "?": "(.)"}


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The names that a pattern matches, in order.

    ``*`` and ``?`` match anything, dots included; ``{a,b}`` matches a or b; ``@first`` and
    ``@last`` are the first and the last name.

    Raises:
        DataError: nothing matches, or the pattern is malformed.

    Example:
        >>> matching("layer*.{conv1,fc}", ["layer1.conv1", "layer1.conv2", "layer2.fc"])
        ['layer1.conv1', 'layer2.fc']
    """
    return [name for group in captures(pattern, names).values() for name in group]


def captures(pattern: str, names: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """The names that a pattern matches, by what its wildcards stand for.

    Example:
        >>> captures("h.*.{q,k}", ["h.0.q", "h.0.k", "h.1.q", "h.1.k"])
        {('0',): ['h.0.q', 'h.0.k'], ('1',): ['h.1.q', 'h.1.k']}
    """
    if pattern in (FIRST, LAST):
        return {(): [names[0] if pattern == FIRST else names[-1]]}
    expression = _expression(pattern)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        match = expression.fullmatch(name)
        if match:
            groups.setdefault(match.groups(), []).append(name)
    if not groups:
        close = difflib.get_close_matches(pattern, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the first layer is {names[0]!r}"
        raise DataError(f"no layer matches {pattern!r}; {hint}")
    return groups


def _expression(pattern: str) -> re.Pattern[str]:
    parts, depth = [], 0
    for character in pattern:
        if character in _WILD:
            parts.append(_WILD[character])
        elif character == "{":
            parts.append("(?:")
            depth += 1
        elif character == "}" and depth:
            parts.append(")")
            depth -= 1
        elif character == "," and depth:
            parts.append("|")
        else:
            parts.append(re.escape(character))
    if depth or not pattern:
        raise DataError(f"a pattern needs a name and a }} for every {{, got {pattern!r}")
    return re.compile("".join(parts))
