"""What a ``bitknap.solution/1`` document claims."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitknap.problems import DataError

FORMAT = "bitknap.solution/1"
STATUSES = ("optimal", "feasible", "infeasible", "no_solution", "unsupported", "crashed")


@dataclass(frozen=True)
class Claim:
    """A solution document whose types are right; its numbers may be wrong.

    Args:
        instance: name of the instance it says it solves.
        status: one of ``STATUSES``.
        objective: cost, or None.
        bound: lower bound of the optimum, or None.
        gap: relative gap, or None.
        choice: class name -> label, or None.
        usage: resource -> amount used, or None.
        capacity: resource -> limit, or None when the document does not repeat it.
        multiplier: resource -> price, or None.
    """

    instance: str
    status: str
    objective: float | None
    bound: float | None
    gap: float | None
    choice: dict[str, str] | None
    usage: dict[str, int] | None
    capacity: dict[str, int] | None
    multiplier: dict[str, float] | None


def load_solution(path: str | Path) -> dict[str, Any]:
    """Read a solution file.

    Raises:
        DataError: it is missing, unreadable or not a JSON object.
    """
    try:
        document = json.loads(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; expected a {FORMAT} document") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None
    except (RecursionError, ValueError):
        raise DataError(f"{path}: is not a {FORMAT} document") from None
    if not isinstance(document, dict):
        raise DataError(f"{path}: must hold one JSON object, a {FORMAT} document")
    return document


def read_claim(document: Mapping[str, Any]) -> Claim:
    """The claim of a parsed document.

    Raises:
        DataError: a key is missing or has a value of the wrong type; the sentence names it.
    """
    if document.get("format") != FORMAT:
        raise DataError(f"the solution has format {document.get('format')!r}, expected {FORMAT!r}")
    for key in ("instance", "status", "objective", "bound", "gap", "choice", "usage"):
        if key not in document:
            raise DataError(f"the solution lacks the key {key!r}")
    status = _text(document["status"], "status")
    if status not in STATUSES:
        raise DataError(f"the solution has status {status!r}, expected one of {STATUSES}")
    return Claim(
        _text(document["instance"], "instance"),
        status,
        _number(document["objective"], "objective"),
        _number(document["bound"], "bound"),
        _number(document["gap"], "gap"),
        _table(document["choice"], "choice", _text),
        _table(document["usage"], "usage", _integer),
        _table(document.get("capacity"), "capacity", _integer),
        _table(document.get("multiplier"), "multiplier", _price),
    )


def _table(value: Any, where: str, read: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise DataError(f"the solution's {where} must be an object, got {value!r:.40}")
    return {name: read(entry, f"{where} of {name!r}") for name, entry in value.items()}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"the solution's {where} must be a string, got {value!r:.40}")
    return value


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"the solution's {where} must be an integer, got {value!r:.40}")
    return value


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise DataError(f"the solution's {where} must be a finite number or null, got {value!r:.40}")


def _price(value: Any, where: str) -> float:
    number = _number(value, where)
    if number is None:
        raise DataError(f"the solution's {where} must be a finite number, got null")
    return number
