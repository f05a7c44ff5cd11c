"""Plug-ins by folder listing, one file each, and those that other packages install."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from .entry_points import installed_modules, locate
from .errors import UnsupportedError


class Catalogue:
    """The plug-ins of one package, found without importing them.

    A plug-in is a module of the package that defines one attribute, the object. Its summary is the
    first line of its docstring. Other packages install further ones as entry points of a group,
    NAME = MODULE of which the module is the same.

    Args:
        package: dotted name of the package, e.g. ``bitknap.solvers.methods``.
        attribute: module attribute that holds the object, e.g. ``SOLVER``.
        dashes: names show dashes where file names have underscores.
        group: of entry points, e.g. ``bitknap.solvers``; they are looked for only when the names
            are listed or one is not in the folder.
    """

    def __init__(
        self,
        package: str,
        attribute: str,
        kind: str,
        *,
        dashes: bool = False,
        group: str | None = None,
    ) -> None:
        self.package, self.attribute, self.kind, self.dashes = package, attribute, kind, dashes
        self.group = group

    @functools.cached_property
    def files(self) -> dict[str, Path]:
        """Name of every plug-in with its source file, sorted by name; read once."""
        spec = importlib.util.find_spec(self.package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        defines = re.compile(rf"^(?:def )?{self.attribute}\b", re.MULTILINE)
        found = {
            path.stem: path
            for folder in spec.submodule_search_locations
            for path in Path(folder).glob("*.py")
            if defines.search(path.read_text(encoding="utf-8"))
        }
        return {
            stem.replace("_", "-") if self.dashes else stem: found[stem] for stem in sorted(found)
        }

    @functools.cached_property
    def installed(self) -> dict[str, str]:
        """Name of every plug-in that another package installs, with its module; read once."""
        return {} if self.group is None else installed_modules(self.group, self.files)

    def names(self) -> list[str]:
        """Names of all plug-ins, sorted."""
        return sorted([*self.files, *self.installed])

    def summary(self, name: str) -> str:
        """First line of the plug-in's module docstring."""
        path = self.files.get(name) or locate(self.installed[name])[0]
        source = path.read_text(encoding="utf-8")
        return (ast.get_docstring(ast.parse(source)) or "").split("\n", 1)[0]

    def require(self, name: str) -> str:
        """The module of a plug-in, without importing it.

        Raises:
            UnsupportedError: no plug-in has that name.
        """
        if name in self.files:
            return f"{self.package}.{name.replace('-', '_') if self.dashes else name}"
        if name not in self.installed:
            known = ", ".join(self.names())
            raise UnsupportedError(f"no {self.kind} is named {name!r}; choose one of: {known}")
        return self.installed[name]

    def load(self, name: str) -> Any:
        """The plug-in's object.

        Raises:
            UnsupportedError: no plug-in has that name, or the module that another package installs
                cannot be loaded.
        """
        module = self.require(name)
        try:
            return getattr(importlib.import_module(module), self.attribute)
        except Exception as error:
            if name in self.files:
                raise
            raise UnsupportedError(
                f"the {self.kind} {name!r} of {module} cannot be loaded ({error})"
            ) from error
