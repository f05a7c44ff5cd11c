"""Workloads by name: a registered one, or a function of the user's own as ``module:function``."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.sensitivity.tracing.calls import explained, guarded

from . import WORKLOADS

if TYPE_CHECKING:
    from .base import Workload

CALLABLES = ("calibration", "forward", "loss", "evaluate", "training")
"""The fields of a workload in which a user's own code runs."""


def is_own(name: str) -> bool:
    """Whether the name stands for a function of the user's own."""
    return ":" in name


def require_workload(name: str) -> None:
    """Refuse a name that cannot be a workload, without importing anything.

    Raises:
        UnsupportedError: no workload is registered under the name.
        DataError: the name has a colon, but is not of the form ``module:function``.
    """
    if not is_own(name):
        WORKLOADS.require(name)
        return
    parts = name.split(":")
    if len(parts) != 2 or not all(re.fullmatch(r"\w+(\.\w+)*", part) for part in parts):
        raise DataError(
            f"a workload of your own is written MODULE:FUNCTION, e.g. mymodule:build, got {name!r}"
        )


def load_workload(name: str, data: Path | None = None, device: str = "cpu") -> Workload:
    """Build a workload.

    A module of the user's own is looked for in the current directory first. Whatever its code
    raises, now or when it is run later, becomes a `DataError` that names exception and place.

    Args:
        name: registered name, or ``module:function``; the function takes no argument, or one
            named ``data``, and returns a `Workload`.

    Raises:
        UnsupportedError: no such workload, module, function or device.
        DataError: the function failed, does not return a workload, or takes no data.
    """
    from .devices import device_named

    require_workload(name)
    place = device_named(device)
    found = _built(name, data)
    return found if place.type == "cpu" else found.on(place)


def _built(name: str, data: Path | None) -> Workload:
    from .base import Workload

    if not is_own(name):
        workload: Workload = WORKLOADS.load(name)(data)
        return workload
    module, function = name.split(":")
    build = _function(module, function)
    arguments: dict[str, Any] = {}
    if data is not None:
        if "data" not in inspect.signature(build).parameters:
            raise DataError(f"--data was given, but {name} has no parameter named data")
        arguments["data"] = data
    built = guarded(name, build)(**arguments)
    if not isinstance(built, Workload):
        raise DataError(
            f"{name} must return a bitknap.bench.Workload, got {type(built).__name__}; see "
            "`python -c 'import bitknap.bench; help(bitknap.bench.Workload)'`"
        )
    calls: dict[str, Any] = {
        field: guarded(f"{name}: {field}", getattr(built, field))
        for field in CALLABLES
        if getattr(built, field) is not None
    }
    return replace(built, **calls)


def _function(module: str, function: str) -> Callable[..., Any]:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise explained(f"importing {module}", error) from error
        raise UnsupportedError(
            f"there is no module {error.name!r}, neither in {os.getcwd()} nor installed"
        ) from None
    except Exception as error:
        raise explained(f"importing {module}", error) from error
    for part in function.split("."):
        if not hasattr(found, part):
            raise UnsupportedError(f"the module {module} ({found.__file__}) has no {function!r}")
        found = getattr(found, part)
    if not callable(found):
        raise DataError(f"{module}:{function} must be a function, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]
