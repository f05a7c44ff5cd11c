"""JSON documents, parsed with one sentence for any error and read into typed objects."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .errors import DataError
from .schema import brief, convert
from .storage import LARGEST_TEXT, read_file, write_atomically

T = TypeVar("T")

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes) -> Any:
    """The value that a JSON text stands for.

    Besides invalid JSON, this refuses values that Python reads but cannot keep or would change:
    repeated keys, NaN and infinities, integers of thousands of digits, halves of surrogate pairs,
    and nesting beyond Python's own.

    Raises:
        DataError: with one sentence.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique_keys
        )
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text; expected a JSON document") from None
    except UnicodeEncodeError:
        raise DataError("holds half a surrogate pair (\\ud800 to \\udfff), no character") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None
    except ValueError:
        raise DataError("holds an integer of more than 4,300 digits") from None
    except RecursionError:
        raise DataError("is nested too deeply") from None
    return value


def _no_constant(text: str) -> float:
    raise DataError(f"{text} is not a number that JSON knows; numbers must be finite")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"the key {twice!r} stands twice in one object")
    return document


def load_document(
    path: str | os.PathLike[str],
    formats: Sequence[str] = (),
    missing: str = "no such file",
    remedy: str = "",
) -> dict[str, Any]:
    """The JSON object in a file, without its key ``format``.

    Args:
        formats: one of which it must state, if any are given; the first is the current one.

    Raises:
        DataError: the file is missing, unreadable, no JSON object, or of another format.
    """
    data = read_file(path, most=LARGEST_TEXT, missing=missing)
    try:
        document = parse_json(data)
        if not isinstance(document, dict):
            raise DataError("must hold one JSON object")
        if formats and (found := document.pop("format", None)) not in formats:
            raise DataError(f"the key 'format' is {brief(found)}")
    except DataError as error:
        raise _no_document(path, formats, remedy, error) from None
    return document


def _no_document(
    path: str | os.PathLike[str], formats: Sequence[str], remedy: str, error: DataError
) -> DataError:
    what = f" is not a {formats[0]} file ({error})" if formats else f": {error}"
    return DataError(f"{path}{what}{remedy and f'; {remedy}'}")


def load_as(
    kind: type[T],
    path: str | os.PathLike[str],
    formats: Sequence[str] = (),
    missing: str = "no such file",
    remedy: str = "",
) -> T:
    """The object of a dataclass that a file holds; arguments as for `load_document`.

    Raises:
        DataError: as for `load_document` and `convert`.
    """
    document = load_document(path, formats, missing, remedy)
    try:
        return convert(kind, document)
    except DataError as error:
        raise _no_document(path, formats, remedy, error) from None


def save_document(
    path: str | os.PathLike[str], form: str, content: Mapping[str, Any], indent: int = 1
) -> dict[str, Any]:
    """Write a JSON object that states its format, atomically; returns it.

    Raises:
        DataError: the file cannot be written.
    """
    document = {"format": form, **content}
    write_atomically(path, json.dumps(document, indent=indent) + "\n")
    return document
