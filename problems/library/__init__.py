"""Real instances that ship with the package, with their sources and proven optima.

Every JSON file of this folder or of a folder right below it is one instance; its name is its
path without ``.json``. Adding an instance is adding a file.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import DataError
from ..files import load_instance
from ..instance import Instance
from ..readers import read_mmkp

FOLDER = Path(__file__).parent


def library_names() -> list[str]:
    """Names of all shipped instances, sorted, e.g. ``hawq_v3/resnet18_size_0.5``."""
    paths = [*FOLDER.glob("*.json"), *FOLDER.glob("*/*.json")]
    return sorted(path.relative_to(FOLDER).as_posix().removesuffix(".json") for path in paths)


def library_instance(name: str) -> Instance:
    """The shipped instance of that name.

    Raises:
        DataError: no instance has that name.

    Example:
        >>> len(library_instance("hawq_v3/resnet18_size_0.5"))
        19
    """
    if name not in library_names():
        close = " or ".join(difflib.get_close_matches(name, library_names(), n=3))
        hint = f"did you mean {close}?" if close else "`bitknap instances` lists those"
        raise DataError(f"{name!r} is neither a file nor a shipped instance; {hint}")
    return load_instance(FOLDER / f"{name}.json")


def find_instance(text: str) -> Instance:
    """The instance in a file, or the shipped one of that name.

    A file ending in ``.txt`` is read by :func:`bitknap.problems.readers.read_mmkp`.

    Raises:
        InstanceError: the file is missing or malformed.
        DataError: neither a file nor a shipped instance has that name.
    """
    if text in library_names() and not Path(text).exists():
        return library_instance(text)
    if Path(text).suffix == ".txt":
        return read_mmkp(text)
    if Path(text).exists() or Path(text).suffix in (".json", ".npz"):
        return load_instance(text)
    return library_instance(text)


__all__ = ["find_instance", "library_instance", "library_names"]
