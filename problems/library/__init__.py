"""Real instances that ship with the package, with their sources and proven optima.

Every JSON file of this folder or of a folder right below it is one instance; its name is its
path without ``.json``. Those with a quadratic objective are the NPZ files of the folder
``quadratic``. Adding an instance is adding a file.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import DataError
from ..files import load_instance
from ..instance import Instance
from ..quadratic import QuadraticInstance
from ..quadratic_files import is_quadratic, load_quadratic
from ..readers import read_instance

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
        known = library_names() + quadratic_names()
        close = " or ".join(difflib.get_close_matches(name, known, n=3))
        hint = f"did you mean {close}?" if close else "`bitknap instances` lists those"
        raise DataError(f"{name!r} is neither a file nor a shipped instance; {hint}")
    return load_instance(FOLDER / f"{name}.json")


def find_instance(text: str) -> Instance:
    """The instance in a file, or the shipped one of that name.

    A file ending in ``.txt`` is read by :func:`bitknap.problems.readers.read_instance`.

    Raises:
        InstanceError: the file is missing or malformed.
        DataError: neither a file nor a shipped instance has that name.
    """
    if text in library_names() and not Path(text).exists():
        return library_instance(text)
    if Path(text).suffix == ".txt":
        return read_instance(text)
    if Path(text).exists() or Path(text).suffix in (".json", ".npz"):
        return load_instance(text)
    return library_instance(text)


def quadratic_names() -> list[str]:
    """Names of all shipped quadratic instances, e.g. ``quadratic/fashion-resnet18_2.25``."""
    return sorted(f"quadratic/{path.stem}" for path in FOLDER.glob("quadratic/*.npz"))


def find_quadratic(text: str) -> QuadraticInstance | None:
    """The quadratic instance in a file, or the shipped one of that name; None for another thing.

    Raises:
        InstanceError: the file is malformed.

    Example:
        >>> len(find_quadratic("quadratic/fashion-resnet18_2.25").knapsack)
        21
    """
    if Path(text).exists():
        return load_quadratic(text) if is_quadratic(text) else None
    return load_quadratic(FOLDER / f"{text}.npz") if text in quadratic_names() else None
