"""Values that outlive the process: by name in one file, those of other inputs dropped."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from bitknap.problems.documents import parse_json
from bitknap.problems.errors import DataError
from bitknap.problems.schema import brief, convert
from bitknap.problems.storage import append, read_file, write_atomically

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values by name, added to a file of JSON lines one after another.

    The first line states format and key; each other one a name, its value, and their hash. Of
    lines with the same name the last one counts, and the part of a line that a killed process
    leaves does not.

    Args:
        path: the file; None keeps nothing.
        form: its format and version.
        key: says what the values depend on; a file with another key is replaced.
        kind: type of the values, one that `convert` knows.

    Raises:
        DataError: the file is of another format, or damaged.
    """

    def __init__(self, path: Path | None, form: str, key: str, kind: type[T]) -> None:
        self.path, self.form, self.key, self.kind = path, form, key, kind
        self._whole = False
        self._known: dict[str, T] = self._load()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> T:
        return self._known[name]

    def __setitem__(self, name: str, value: T) -> None:
        self._known[name] = value
        if self.path is None:
            return
        whole, self._whole = self._whole and self.path.exists(), False
        if whole:
            append(self.path, _line(name, value))
        else:
            head = json.dumps({"format": self.form, "key": self.key}) + "\n"
            write_atomically(self.path, head + "".join(_line(*row) for row in self._known.items()))
        self._whole = True

    def _load(self) -> dict[str, T]:
        if self.path is None or not self.path.exists():
            return {}
        try:
            first, *lines = read_file(self.path).split(b"\n")
            head = parse_json(first)
            if not isinstance(head, dict) or head.get("format") != self.form:
                raise DataError(f"it starts with {brief(head)}")
            if head.get("key") != self.key:
                return {}
            return dict(self._row(number, line) for number, line in enumerate(lines[:-1], 2))
        except DataError as error:
            raise DataError(
                f"{self.path} is not a {self.form} file ({error}); remove it to measure again"
            ) from None

    def _row(self, number: int, line: bytes) -> tuple[str, T]:
        """Name and value of a line."""
        try:
            row = convert(dict[str, Any], parse_json(line), "the row")
            name, value = row.get("name"), row.get("value")
            if not isinstance(name, str) or row.get("sha256") != _digest(name, value):
                raise DataError("it has another hash than it states")
            return name, convert(self.kind, value, "the value")
        except DataError as error:
            raise DataError(f"line {number}: {error}") from None


def _line(name: str, value: Any) -> str:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps({"name": name, "value": plain, "sha256": _digest(name, plain)}) + "\n"


def _digest(name: str, value: Any) -> str:
    return sha256(json.dumps([name, value], sort_keys=True).encode()).hexdigest()
