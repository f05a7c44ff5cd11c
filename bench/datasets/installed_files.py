"""Files of installed packages, found without importing the packages."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from bitknap.problems.errors import DataError


def package_file(package: str, name: str, remedy: str) -> Path:
    """Path of a file that a package installed.

    Raises:
        DataError: the package is not installed or has no such file.
    """
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise DataError(f"the package {package} is not installed; `{remedy}`") from None
    paths = [Path(str(file.locate())) for file in files if file.name == name]
    if not paths or not paths[0].is_file():
        raise DataError(f"the package {package} has no file {name}; `{remedy}`")
    return paths[0]
