"""Suites: which solvers run on which instances under which limits, as small TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitknap.problems import DataError, UnsupportedError
from bitknap.solvers import SOLVERS

from .cases import Case, cases_of

FOLDER = Path(__file__).parents[1] / "suites"

_LIMITS = {
    "time_limit": "time",
    "memory_limit": "memory",
    "grace": "grace",
    "warm_up": "warm_up",
    "threads": "threads",
}
_WHOLE = ("repeat", "seed", "threads")
_KEYS = ("summary", "solvers", "instances", "repeat", "seed", *_LIMITS)


@dataclass(frozen=True)
class Allowance:
    """What one run may spend.

    Args:
        time: seconds, as the solver is told.
        grace: seconds beyond that after which it is killed.
        memory: bytes of resident memory of its process and the processes that it starts.
        warm_up: seconds for imports and a trifle, before anything is timed.
        threads: threads it may use.
    """

    time: float = 60.0
    grace: float = 5.0
    memory: int = 4_000_000_000
    warm_up: float = 180.0
    threads: int = 1


@dataclass(frozen=True)
class Suite:
    """What a benchmark runs.

    Args:
        name: the file's stem.
        summary: one line on what it shows.
        cases: recipes of the instances.
        solvers: names of the methods.
        allowance: limits of each run.
        repeat: runs of each solver on each instance.
        seed: of the order and of the methods that draw; run k draws with ``seed + k``.
    """

    name: str
    summary: str
    cases: tuple[Case, ...]
    solvers: tuple[str, ...]
    allowance: Allowance = field(default_factory=Allowance)
    repeat: int = 5
    seed: int = 0


def suite_files() -> dict[str, Path]:
    """Name of every suite that ships with the package, with its file."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find_suite(text: str) -> Suite:
    """The suite of that name, or in that TOML file.

    Raises:
        UnsupportedError: no suite has that name.
        DataError: the file is missing or malformed.
    """
    path = suite_files().get(text, Path(text))
    if path.suffix != ".toml":
        known = ", ".join(suite_files())
        raise UnsupportedError(
            f"no suite is named {text!r}; choose one of: {known}, or name a .toml file"
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: is not a readable TOML file ({error})") from None
    try:
        return _suite(path, document)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _suite(path: Path, document: Mapping[str, Any]) -> Suite:
    strange = sorted(set(document) - set(_KEYS))
    if strange:
        raise DataError(f"has the unknown key {strange[0]!r}; known are {', '.join(_KEYS)}")
    entries = document.get("instances")
    if not isinstance(entries, list) or not entries:
        raise DataError("needs at least one table [[instances]]")
    given = {field: _number(document, key) for key, field in _LIMITS.items() if key in document}
    if "memory" in given:
        given["memory"] = int(given["memory"] * 1_000_000)
    return Suite(
        name=path.stem,
        summary=str(document.get("summary", "")),
        cases=tuple(case for entry in entries for case in cases_of(entry, path.parent)),
        solvers=solver_names(document.get("solvers", ["all"])),
        allowance=Allowance(**given),
        **{key: _number(document, key) for key in ("repeat", "seed") if key in document},
    )


def _number(document: Mapping[str, Any], key: str) -> Any:
    value = document[key]
    whole = key in _WHOLE
    least = 1 if key in ("repeat", "threads") else 0
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or value < least:
        kind = "a whole number" if whole else "a number"
        raise DataError(f"{key} must be {kind} of at least {least}, got {value!r}")
    return value


def solver_names(words: Iterable[str]) -> tuple[str, ...]:
    """Names of methods; ``all``, ``exact`` and ``heuristic`` stand for the registered ones.

    Raises:
        UnsupportedError: no method has that name.
    """
    names: list[str] = []
    for word in words:
        if word in ("all", "exact", "heuristic"):
            names += [name for name in SOLVERS.names() if word in ("all", kind_of(name))]
        else:
            SOLVERS.require(word)
            names.append(word)
    return tuple(dict.fromkeys(names))


def kind_of(name: str) -> str:
    """``exact``, ``heuristic``, or ``unknown`` when the method cannot be loaded."""
    try:
        return "exact" if SOLVERS.load(name).exact else "heuristic"
    except Exception:  # Whatever is wrong with the file shows when it is run.
        return "unknown"
