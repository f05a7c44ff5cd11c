"""The machines and versions that measured the cells of a study, kept next to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from bitknap.problems.documents import load_as, save_document

from ..records.environment import machine, versions

FORMAT = "bitknap.paper-environment/1"
FILE = "environment.json"


@dataclass(frozen=True)
class Stamp:
    """A machine and the versions that measured there."""

    machine: str
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Row:
    machine: str
    versions: dict[str, str]


@dataclass(frozen=True)
class _StoredStamps:
    stamps: tuple[_Row, ...]


def stamp(folder: Path) -> None:
    """Add this machine and these versions, where they are not among those of the folder."""
    known, current = read_stamps(folder), Stamp(machine(), tuple(versions().items()))
    if current not in known:
        rows = [asdict(one) | {"versions": dict(one.versions)} for one in (*known, current)]
        save_document(folder / FILE, FORMAT, {"stamps": rows})


def read_stamps(folder: Path) -> list[Stamp]:
    """All that measured in a folder, in order; none where it was measured before stamps were kept.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return []
    rows = load_as(_StoredStamps, path, (FORMAT,), remedy="remove it").stamps
    return [Stamp(row.machine, tuple(row.versions.items())) for row in rows]
