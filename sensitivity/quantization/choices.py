"""What a layer may take: weights of so many bits, ternary or in float; activations likewise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from bitknap.problems.errors import DataError

Choice = int | str
"""Bits from 2 to 16, ``ternary`` or ``float``."""

TERNARY = "ternary"
FLOAT = "float"

FLOAT_BITS = 32
"""Bits of a value that is left in float."""

TRITS = 5
"""Ternary codes in a byte: 3^5 = 243 of its 256 values."""

_NUMBER = re.compile(r"[0-9]{1,3}")
_PAIR = re.compile(r"w([0-9]{1,3}|ternary|float)a([0-9]{1,3}|float)")


def require_choice(choice: Choice, *, ternary: bool = True) -> None:
    """Refuse what is not a choice of a weight or, without ternary, of an activation.

    Raises:
        DataError: with what was expected.
    """
    if isinstance(choice, int) and not isinstance(choice, bool) and 2 <= choice <= 16:
        return
    words = (TERNARY, FLOAT) if ternary else (FLOAT,)
    if not isinstance(choice, str) or choice not in words:
        raise DataError(
            f"a bit-width must be a whole number from 2 to 16, or {' or '.join(words)}, "
            f"got {choice!r}"
        )


def require_choices(choices: Sequence[Choice], *, ternary: bool = True) -> tuple[Choice, ...]:
    """The choices, checked: at least one, each once, from few bits to many.

    Raises:
        DataError: with what was expected.
    """
    found = tuple(choices)
    for choice in found:
        require_choice(choice, ternary=ternary)
    if not found or any(rate(a) >= rate(b) for a, b in pairwise(found)):
        raise DataError(f"bit-widths must be strictly increasing, got {list(found)}")
    return found


def parse_choices(words: Iterable[str], option: str, *, ternary: bool = True) -> tuple[Choice, ...]:
    """Choices as people write them, sorted, each once.

    Raises:
        DataError: naming the option and the word.
    """
    known = (TERNARY, FLOAT) if ternary else (FLOAT,)
    found: set[Choice] = set()
    for word in words:
        if word not in known and not (word.isdecimal() and 2 <= int(word) <= 16):
            raise DataError(
                f"{option} must be whole numbers from 2 to 16, or {' or '.join(known)}, "
                f"got {word!r}"
            )
        found.add(word if word in known else int(word))
    return tuple(sorted(found, key=rate))


def operand_bits(choice: Choice) -> int:
    """Bits of one operand in a multiplication: 2 for ternary, 32 for float."""
    return {TERNARY: 2, FLOAT: FLOAT_BITS}[choice] if isinstance(choice, str) else choice


def code_bits(choice: Choice, count: int) -> int:
    """Bits that so many codes take; ternary ones are packed five to a byte."""
    return 8 * -(-count // TRITS) if choice == TERNARY else operand_bits(choice) * count


def rate(choice: Choice) -> Fraction:
    """Stored bits per value: 8/5 for ternary. Choices are sorted by it."""
    return Fraction(8, TRITS) if choice == TERNARY else Fraction(operand_bits(choice))


def label_of(weight: Choice, activation: Choice | None = None) -> str:
    """An item's label: ``4``, ``ternary``; with an activation ``w4a8``, ``wternaryafloat``."""
    return str(weight) if activation is None else f"w{weight}a{activation}"


def parse_label(label: str) -> tuple[Choice, Choice | None]:
    """Weight and activation choice of a label; the latter None where it names only weights.

    Raises:
        DataError: it is not a label.
    """
    pair = _PAIR.fullmatch(label)
    weight, activation = pair.groups() if pair else (label, None)
    if not pair and label not in (TERNARY, FLOAT) and not _NUMBER.fullmatch(label):
        raise DataError(f"a choice is written such as 4, ternary, float or w4a8, got {label!r}")
    return _number(weight), None if activation is None else _number(activation)


def by_size(label: str) -> tuple[Fraction, Fraction]:
    """Sorting key of labels: weight bits, then activation bits."""
    weight, activation = parse_label(label)
    return rate(weight), rate(FLOAT if activation is None else activation)


def _number(word: str) -> Choice:
    return int(word) if word.isdecimal() else word
