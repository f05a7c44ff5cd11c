"""Suites: which solvers run on which instances under which limits, as small TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from bitknap.problems import DataError, UnsupportedError
from bitknap.problems.entry_points import installed_modules, locate
from bitknap.problems.schema import Range, Seconds, convert
from bitknap.problems.storage import read_text
from bitknap.solvers import SOLVERS

from .cases import InstanceRecipe, cases_of

FOLDER = Path(__file__).parents[1] / "suites"

MOST_RUNS = 1_000_000
MOST_MEMORY = 1_000_000_000
"""MB."""

Repeat = Annotated[int, Range(1, 10_000)]
Seed = Annotated[int, Range(0, (1 << 31) - 1)]
TimeLimit = Annotated[float, Range(0.001, 1e9)]


@dataclass(frozen=True)
class Allowance:
    """What one run may spend.

    Args:
        time: seconds, as the solver is told.
        grace: seconds beyond that after which it is killed.
        memory: bytes of resident memory of its process and the processes that it starts.
        warm_up: seconds for imports and a first tiny solve, which are not timed.
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
        seed: of the order and of the methods that draw; run k draws with ``seed + k``.
    """

    name: str
    summary: str
    cases: tuple[InstanceRecipe, ...]
    solvers: tuple[str, ...]
    allowance: Allowance = field(default_factory=Allowance)
    repeat: int = 5
    seed: int = 0


def suite_files() -> dict[str, Path]:
    """Name of every suite that is installed, with its file.

    Suites of other packages are the TOML files of the packages that entry points of
    ``bitknap.suites`` name; they are called ``ENTRY/STEM``.

    Raises:
        UnsupportedError: an entry point is wrong.
    """
    found = {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
    for name, package in installed_modules("bitknap.suites").items():
        for folder in locate(package):
            found |= {f"{name}/{path.stem}": path for path in sorted(folder.glob("*.toml"))}
    return found


def find_suite(text: str) -> Suite:
    """The suite of that name, or in that TOML file.

    Raises:
        UnsupportedError: no suite has that name.
        DataError: the file is missing or malformed.
    """
    known_files = suite_files()
    path = known_files.get(text, Path(text))
    if path.suffix != ".toml":
        known = ", ".join(known_files)
        raise UnsupportedError(
            f"no suite is named {text!r}; choose one of: {known}, or name a .toml file"
        )
    try:
        document = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not a readable TOML file ({error})") from None
    try:
        return _suite(text if text in known_files else path.stem, path, document)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


@dataclass(frozen=True)
class _SuiteDocument:
    """What a suite's file may hold."""

    instances: tuple[dict[str, Any], ...]
    summary: str = ""
    solvers: tuple[str, ...] = ("all",)
    repeat: Repeat = Suite.repeat
    seed: Seed = Suite.seed
    time_limit: TimeLimit = Allowance.time
    memory_limit: Annotated[float, Range(1, MOST_MEMORY)] = Allowance.memory / 1e6
    grace: Seconds = Allowance.grace
    warm_up: Seconds = Allowance.warm_up
    threads: Annotated[int, Range(1, 1024)] = Allowance.threads


def _suite(name: str, path: Path, document: Mapping[str, Any]) -> Suite:
    found = convert(_SuiteDocument, document, "the suite")
    cases = tuple(case for entry in found.instances for case in cases_of(entry, path.parent))
    solvers = solver_names(found.solvers)
    if not cases:
        raise DataError("needs at least one table [[instances]]")
    if len(cases) * len(solvers) * found.repeat > MOST_RUNS:
        raise DataError(
            f"asks for {len(cases):,} instances, {len(solvers)} solvers and {found.repeat:,} "
            f"runs of each; at most {MOST_RUNS:,} runs are made"
        )
    memory = int(found.memory_limit * 1_000_000)
    allowance = Allowance(found.time_limit, found.grace, memory, found.warm_up, found.threads)
    return Suite(name, found.summary, cases, solvers, allowance, found.repeat, found.seed)


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
    except Exception:  # An error in the file is reported when it is run.
        return "unknown"
