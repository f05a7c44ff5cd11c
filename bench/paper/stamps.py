"""The machines and versions that measured the cells of a study, kept next to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from bitknap.problems.documents import load_as, save_document

from ..records.environment import machine, versions

FORMAT = "bitknap.paper-environment/1"
FILE = "environment.json"


@dataclass(frozen=True)
class Stamp:
    """A machine and the versions that measured there."""

    machine: str
    versions: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class _StoredStamps:
    stamps: tuple[Stamp, ...]


def stamp(folder: Path) -> None:
    """Add this machine and these versions, where they are not among those of the folder."""
    known, current = read_stamps(folder), Stamp(machine(), versions())
    if current not in known:
        save_document(folder / FILE, FORMAT, asdict(_StoredStamps((*known, current))))


def read_stamps(folder: Path) -> tuple[Stamp, ...]:
    """All that measured in a folder, in order; none where it was measured before stamps were kept.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return ()
    return load_as(_StoredStamps, path, (FORMAT,), remedy="remove it").stamps
