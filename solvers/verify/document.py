"""What a ``bitknap.solution/1`` document claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from bitknap.problems import DataError
from bitknap.problems.documents import load_document
from bitknap.problems.schema import Seconds, brief, convert

FORMAT = "bitknap.solution/1"

Status = Literal["optimal", "feasible", "infeasible", "no_solution", "unsupported", "crashed"]


@dataclass(frozen=True)
class Claim:
    """A solution document whose types are right; its numbers may be wrong.

    Args:
        choice: class name -> label, or None.
        capacity: resource -> limit, or None when the document does not repeat it.
        multiplier: resource -> price, or None.
        solver, message, seconds, stats: not checked.
    """

    instance: str
    status: Status
    objective: float | None
    bound: float | None
    gap: float | None
    choice: dict[str, str] | None
    usage: dict[str, int] | None
    capacity: dict[str, int] | None = None
    multiplier: dict[str, float] | None = None
    solver: str = ""
    message: str = ""
    seconds: Seconds = 0.0
    stats: dict[str, Any] = field(default_factory=dict)


def load_solution(path: str | Path) -> dict[str, Any]:
    """Read a solution file.

    Raises:
        DataError: it is missing, unreadable or not a JSON object.
    """
    return load_document(path, remedy=f"expected a {FORMAT} document")


def read_claim(document: Mapping[str, Any]) -> Claim:
    """The claim of a parsed document.

    Raises:
        DataError: a key is missing or has a value of the wrong type; the sentence names it.
    """
    if document.get("format") != FORMAT:
        found = brief(document.get("format"))
        raise DataError(f"the solution has format {found}, expected {FORMAT!r}")
    known = {field.name for field in fields(Claim)}
    return convert(Claim, {k: v for k, v in document.items() if k in known}, "the solution")
