"""Archived records: whose they are, on which machines they were made, and their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bitknap.problems import DataError
from bitknap.problems.documents import load_as, save_document
from bitknap.problems.schema import Count
from bitknap.problems.storage import only_writer, read_file

from .record import RECORDS, Record, parse_records, save_records

FORMAT = "bitknap.archive/1"
MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parents[1] / "archive"


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` states of the records beside it.

    Args:
        run_by: who ran them, as they call themselves.
        suites: which were run.
        machines: on which.
        versions: of Python and the packages, one set per environment.
        runs: number of records.
        sha256: of the file of records.
    """

    run_by: list[str]
    suites: list[str]
    machines: list[str]
    versions: list[dict[str, str]]
    runs: Count
    sha256: str


Environment = tuple[str, tuple[tuple[str, str], ...]]
"""A machine, and the versions of Python and the packages by name."""


def archived_names() -> list[str]:
    """Names of the archives that ship with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def find_folder(text: str | Path) -> Path:
    """The folder of that path, or the shipped archive of that name."""
    path = Path(text)
    return SHIPPED / path if not path.exists() and str(text) in archived_names() else path


def verified_records(folder: Path) -> list[Record]:
    """The records of a folder, checked against its manifest where it has one.

    Raises:
        DataError: there are none, or they are not those that the manifest describes.
    """
    manifest = load_manifest(folder)
    path = folder / RECORDS
    content = read_file(path, missing="no such file; `bitknap bench SUITE` writes it")
    if manifest is not None and hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise DataError(
            f"{path} is not the file that {MANIFEST} describes (its sha256 is another): records "
            "were changed, added or removed after they were archived"
        )
    return parse_records(content, path)


def load_manifest(folder: Path) -> Manifest | None:
    """What is stated of a folder's records; None for a folder that is no archive.

    Raises:
        DataError: the manifest is malformed.
    """
    path = folder / MANIFEST
    return load_as(Manifest, path, (FORMAT,)) if path.exists() else None


def merge_records(folders: Sequence[Path], out: Path, run_by: str) -> Manifest:
    """Write the records of several folders into one, each record once, and their manifest.

    Args:
        folders: of ``bitknap bench``, or archives.
        out: a new or empty folder.
        run_by: who ran what has no manifest.

    Raises:
        DataError: a folder has no records or other ones than its manifest says, or ``out`` has
            some already.
    """
    manifests = [load_manifest(folder) for folder in folders]
    lines = dict.fromkeys(
        record.to_line() for folder in folders for record in verified_records(folder)
    )
    records = [Record.from_line(line.encode()) for line in lines]
    with only_writer(out):
        if (out / RECORDS).exists():
            raise DataError(f"{out / RECORDS} exists; name a new folder with --out")
        save_records(records, out / RECORDS)
        people = [name for m in manifests for name in ([run_by] if m is None else m.run_by)]
        manifest = Manifest(
            run_by=list(dict.fromkeys(people)),
            suites=list(dict.fromkeys(record.suite for record in records)),
            machines=list(dict.fromkeys(record.machine for record in records)),
            versions=[dict(pairs) for pairs in dict.fromkeys(map(_versions, records))],
            runs=len(records),
            sha256=hashlib.sha256(read_file(out / RECORDS)).hexdigest(),
        )
        save_document(out / MANIFEST, FORMAT, asdict(manifest))
    return manifest


def kept_apart(records: Iterable[Record]) -> list[Record]:
    """Records in which a solver on one machine and on another are two.

    Solvers are called ``core on A``, ``core on B`` where machines or versions differ, so that no
    measure takes their times together.
    """
    found = list(records)
    letters = {environment: letter for letter, environment in environments(found).items()}
    if len(letters) < 2:
        return found
    return [replace(r, solver=f"{r.solver} on {letters[_environment(r)]}") for r in found]


def environments(records: Iterable[Record]) -> dict[str, Environment]:
    """Letter of every environment that records were made in -> its machine and versions."""
    found = dict.fromkeys(_environment(record) for record in records)
    return {_letter(number): environment for number, environment in enumerate(found)}


def _environment(record: Record) -> Environment:
    return record.machine, _versions(record)


def _versions(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(record.versions.items()))


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"{number + 1}"
