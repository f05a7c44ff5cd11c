"""Values from files as typed objects: a field's annotation says what it may contain."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar

from .errors import BitknapError, DataError

T = TypeVar("T")
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a number: ``Annotated[int, Range(0, 9)]``."""

    least: float
    most: float


INTEGERS = Range(-(1 << 63), (1 << 63) - 1)
"""The range of an integer without a `Range`: 64 bits."""

FLOATS = Range(-math.inf, math.inf)

Count = Annotated[int, Range(0, 1 << 62)]
"""Sizes, weights and other integers that add up."""


Seconds = Annotated[float, Range(0, 1e12)]


class _Mismatch(Exception):
    """What is wrong, and where: the path, innermost first."""

    def __init__(self, expected: str, value: Any = None, told: str = "") -> None:
        self.expected, self.value, self.told = expected, value, told
        self.places: list[str] = []


def convert(kind: type[T], value: Any, what: str = "") -> T:
    """Convert a parsed value to a dataclass or another type.

    Nothing is coerced, except that an integer may stand for a float: numbers must be finite and
    in range, an object has all the fields without a default and no others. An object whose class
    has a method `parse` is a text.

    Args:
        kind: dataclass, ``str``, ``int``, ``float``, ``bool``, a `StrEnum`, unions of
            these, lists, tuples, mappings from ``str``, ``Annotated`` numbers with a `Range`, or
            ``Any``.

    Raises:
        DataError: names the place, what is expected and what is there.

    Example:
        >>> convert(tuple[int, ...], [1, 2])
        (1, 2)
        >>> convert(dict[str, float], {"a": "b"})
        Traceback (most recent call last):
        ...
        bitknap.problems.errors.DataError: a must be a finite number, got 'b'
    """
    try:
        return _reader(kind)(value)  # type: ignore[no-any-return, arg-type]
    except _Mismatch as wrong:
        place = "".join(reversed(wrong.places)).removeprefix(".")
        where = " of ".join(part for part in (place, what) if part) or "the document"
        told = wrong.told or f"must be {wrong.expected}, got {brief(wrong.value)}"
        raise DataError(f"{where} {told}") from None


def brief(value: Any) -> str:
    """A value's `repr`, cut to fit in a sentence."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:40]}...{text[-14:]}"


@cache
def _reader(kind: Any) -> Read:
    origin: Any
    origin, given = typing.get_origin(kind), typing.get_args(kind)
    if kind in (Any, object):
        return lambda value: value
    if origin is Annotated:
        return _number(given[0], given[1])
    if origin is typing.Literal:
        return _one_of(given)
    if origin in (typing.Union, types.UnionType):
        return _union(given)
    if origin is tuple and given[-1] is not Ellipsis:
        return _pair(given)
    if origin in (list, tuple, Sequence):
        return _sequence(given[0], tuple if origin is tuple else list)
    if origin in (dict, Mapping):
        return _mapping(given[1])
    if is_dataclass(kind):
        return _parsed(kind) if hasattr(kind, "parse") else _object(kind)
    if kind in (int, float):
        return _number(kind, INTEGERS if kind is int else FLOATS)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _member(kind)
    words = {str: "a string", bool: "true or false", types.NoneType: "null"}
    return _plain(kind, words[kind])


def _plain(kind: Any, expected: str) -> Read:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _Mismatch(expected, value)
        return value

    return read


def _number(kind: type, allowed: Range) -> Read:
    known: Any = int if kind is int else (int, float)
    expected = "an integer" if kind is int else "a finite number"
    if allowed == INTEGERS:
        expected = "an integer of 64 bits"
    elif allowed != FLOATS:
        expected += f" from {_plainly(allowed.least)} to {_plainly(allowed.most)}"

    def read(value: Any) -> Any:
        right = isinstance(value, known) and not isinstance(value, bool)
        if not right or not allowed.least <= value <= allowed.most:
            raise _Mismatch(expected, value)
        if kind is int:
            return value
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _Mismatch(expected, value)
        return number

    return read


def _plainly(limit: float) -> str:
    if not isinstance(limit, int):
        return f"{limit:g}"
    power = limit.bit_length() - 1
    return f"2^{power}" if power > 30 and limit == 1 << power else f"{limit:,}"


def _one_of(words: tuple[str, ...]) -> Read:
    def read(value: Any) -> Any:
        if value not in words:
            raise _Mismatch(f"one of {', '.join(words)}", value)
        return value

    return read


def _member(kind: type[StrEnum]) -> Read:
    known = _one_of(tuple(kind))
    return lambda value: kind(known(value))


def _union(kinds: tuple[Any, ...]) -> Read:
    readers = [_reader(kind) for kind in kinds]
    optional = types.NoneType in kinds

    def read(value: Any) -> Any:
        if value is None and optional:
            return None
        found: list[_Mismatch] = []
        for kind, reader in zip(kinds, readers, strict=True):
            if kind is types.NoneType:
                continue
            try:
                return reader(value)
            except _Mismatch as wrong:
                found.append(wrong)
        deepest = max(found, key=lambda wrong: len(wrong.places))
        if not deepest.places:
            either = list(dict.fromkeys(wrong.expected for wrong in found))
            deepest.expected = " or ".join([*either, *(["null"] if optional else [])])
        raise deepest

    return read


def _sequence(kind: Any, container: type) -> Read:
    reader = _reader(kind)

    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Mismatch("a list", value)
        found: list[Any] = []
        try:
            found.extend(map(reader, value))
        except _Mismatch as wrong:
            wrong.places.append(_numbered(len(found), value[len(found)]))
            raise
        return container(found)

    return read


def _numbered(number: int, entry: Any) -> str:
    """The place of an entry of a list, with its name where it has one."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f"[{number}] ({name!r})" if isinstance(name, str) else f"[{number}]"


def _pair(kinds: tuple[Any, ...]) -> Read:
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(readers):
            raise _Mismatch(f"a list of {len(readers)} entries", value)
        steps = enumerate(zip(readers, value, strict=True))
        return tuple([_at(reader, entry, f"[{k}]") for k, (reader, entry) in steps])

    return read


def _mapping(kind: Any) -> Read:
    reader = _reader(kind)

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _Mismatch("an object", value)
        return {key: _at(reader, entry, f".{key}") for key, entry in value.items()}

    return read


def _parsed(kind: Any) -> Read:
    text = _plain(str, "a string")
    return lambda value: _sound(lambda: kind.parse(text(value)))


def _object(kind: Any) -> Read:
    hints = typing.get_type_hints(kind, include_extras=True)
    wanted = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    needed = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _Mismatch("an object", value)
        for name in needed:
            if name not in value:
                raise _Mismatch("", told=f"lacks the key {name!r}")
        for name in value:
            if name not in wanted:
                known = ", ".join(wanted)
                raise _Mismatch("", told=f"has the unknown key {name!r}; known are {known}")
        found = {name: _at(wanted[name], entry, f".{name}") for name, entry in value.items()}
        return _sound(lambda: kind(**found))

    return read


def _sound(build: Callable[[], Any]) -> Any:
    """The object, unless its class refuses the values."""
    try:
        return build()
    except BitknapError as error:
        raise _Mismatch("", told=f"is wrong: {error}") from None


def _at(reader: Read, value: Any, place: str) -> Any:
    try:
        return reader(value)
    except _Mismatch as wrong:
        wrong.places.append(place)
        raise
