"""Values that outlive the process: by name in one file, those of other inputs dropped."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from bitknap.problems.documents import load_document, save_document
from bitknap.problems.errors import DataError
from bitknap.problems.schema import convert

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values by name, written to a file as soon as one is added.

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
        self._known: dict[str, T] = self._load()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> T:
        return self._known[name]

    def __setitem__(self, name: str, value: T) -> None:
        self._known[name] = value
        if self.path is not None:
            rows = {name: _plain(value) for name, value in sorted(self._known.items())}
            content = {"key": self.key, "rows": rows, "sha256": _digest(rows)}
            save_document(self.path, self.form, content)

    def _load(self) -> dict[str, T]:
        if self.path is None or not self.path.exists():
            return {}
        remedy = "remove it to measure again"
        document = load_document(self.path, (self.form,), remedy=remedy)
        try:
            if document.get("sha256") != _digest(document.get("rows")):
                raise DataError("its rows have another hash than it states")
            if document.get("key") != self.key:
                return {}
            return convert(dict[str, self.kind], document.get("rows"), "the rows")  # type: ignore[name-defined]
        except DataError as error:
            raise DataError(f"{self.path} is not a {self.form} file ({error}); {remedy}") from None


def _digest(rows: Any) -> str:
    return sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
