"""What other packages install for bitknap: modules named by their entry points."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path

from .errors import UnsupportedError


def installed_modules(group: str, taken: Collection[str] = ()) -> dict[str, str]:
    """Name of each entry point of a group -> the module or package that it names.

    Args:
        group: e.g. ``bitknap.suites``.
        taken: names that no entry point may have.

    Raises:
        UnsupportedError: two entry points have one name, or one has a name that is taken.
    """
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for entry in entry_points(group=group):
        if entry.name in taken or entry.name in found:
            raise UnsupportedError(
                f"the entry point {entry.name} = {entry.value} of {group} has a name that is "
                "taken; rename it, or uninstall its package"
            )
        found[entry.name] = entry.module
    return dict(sorted(found.items()))


def locate(module: str) -> list[Path]:
    """The file of a module, or the folders of a package, which is not imported.

    Raises:
        UnsupportedError: there is no such module.
    """
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None:
        raise UnsupportedError(
            f"an entry point names the module {module}, which is not there; install its package "
            "again, or uninstall it"
        )
    return [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""]]
