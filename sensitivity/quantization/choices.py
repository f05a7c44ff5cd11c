"""What a layer may take: weights of so many bits, ternary, in a format or in float."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from bitknap.problems.errors import DataError, UnsupportedError

from .formats import family_labels, format_labels, format_of, why_none

Choice = int | str
"""Bits from 2 to 16, ``ternary``, ``float``, or a format such as ``mxfp4``: `formats`."""

TERNARY = "ternary"
FLOAT = "float"

FLOAT_BITS = 32
"""Bits of a value that is left in float."""

TRITS = 5
"""Ternary codes in a byte: 3^5 = 243 of its 256 values."""

_NUMBER = re.compile(r"[0-9]{1,3}")
_PAIR = re.compile(r"w([0-9a-z_:]+)a([0-9]{1,3}|float)")


def require_choice(choice: Choice, *, weights: bool = True) -> None:
    """Refuse what is not a choice of a weight or, without ``weights``, of an activation.

    Raises:
        DataError: with what was expected.
    """
    if isinstance(choice, int) and not isinstance(choice, bool) and 2 <= choice <= 16:
        return
    if not _is_word(choice, weights=weights):
        raise DataError(_refusal("bit-widths", choice, weights=weights))


def require_grid(choice: Choice) -> None:
    """Refuse what is no grid of integers with scales.

    Raises:
        UnsupportedError: it is a format.
    """
    if format_of(choice) is not None:
        raise UnsupportedError(
            f"{choice} is a format with scales of its own; choose bits or ternary here"
        )


def require_choices(choices: Sequence[Choice], *, weights: bool = True) -> tuple[Choice, ...]:
    """The choices, checked: at least one, each once, from few bits to many.

    Raises:
        DataError: with what was expected.
    """
    found = tuple(choices)
    for choice in found:
        require_choice(choice, weights=weights)
    order = sorted({*found}, key=_order)
    if not found or [*found] != order:
        such = f", such as {order}" if found else ""
        raise DataError(f"bit-widths must be strictly increasing{such}, got {list(found)}")
    return found


def parse_choices(words: Iterable[str], option: str, *, weights: bool = True) -> tuple[Choice, ...]:
    """Choices as people write them, sorted, each once; ``gguf`` stands for all of that family.

    Raises:
        DataError: naming the option and the word.
    """
    found: set[Choice] = set()
    for word in (label for one in words for label in family_labels(one) or [one]):
        named = _is_word(word, weights=weights)
        if not named and not (word.isdecimal() and 2 <= int(word) <= 16):
            raise DataError(_refusal(option, word, weights=weights))
        found.add(word if named else int(word))
    return tuple(sorted(found, key=_order))


def operand_bits(choice: Choice) -> int:
    """Bits of one operand in a multiplication: 2 for ternary, 32 for float, those of a format."""
    if isinstance(choice, int):
        return choice
    stored = format_of(choice)
    return {TERNARY: 2, FLOAT: FLOAT_BITS}[choice] if stored is None else stored.bits


def code_bits(choice: Choice, count: int) -> int:
    """Bits that so many codes take; ternary ones are packed five to a byte.

    Those of a format are with the scales of whole blocks, rounded up.
    """
    return 8 * -(-count // TRITS) if choice == TERNARY else math.ceil(rate(choice) * count)


def rate(choice: Choice) -> Fraction:
    """Stored bits per value: 8/5 for ternary, 17/4 for mxfp4. Choices are sorted by it."""
    if choice == TERNARY:
        return Fraction(8, TRITS)
    stored = format_of(choice)
    return Fraction(operand_bits(choice)) if stored is None else stored.rate


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
    if not _is_word(weight, weights=True) and not _NUMBER.fullmatch(weight):
        raise DataError(
            f"a choice is written such as 4, ternary, float, mxfp4 or w4a8, got {label!r}"
        )
    return _number(weight), None if activation is None else _number(activation)


def by_size(label: str) -> tuple[Fraction, Fraction, str]:
    """Sorting key of labels: weight bits, then activation bits, then the label."""
    weight, activation = parse_label(label)
    return rate(weight), rate(FLOAT if activation is None else activation), label


def _number(word: str) -> Choice:
    return int(word) if word.isdecimal() else word


def _order(choice: Choice) -> tuple[Fraction, str]:
    return rate(choice), str(choice)


def _is_word(choice: object, *, weights: bool) -> bool:
    return choice == FLOAT or (weights and (choice == TERNARY or format_of(choice) is not None))


def _refusal(what: str, choice: object, *, weights: bool) -> str:
    if weights and isinstance(choice, str) and (offered := why_none(choice)):
        return f"{what} must name a format there is, got {choice!r}; {offered}"
    words = [TERNARY, FLOAT, *format_labels()] if weights else [FLOAT]
    return f"{what} must be whole numbers from 2 to 16, or {', '.join(words)}, got {choice!r}"
