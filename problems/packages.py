"""Optional packages, imported where they are first needed."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import UnsupportedError


def package(name: str, extra: str, what: str) -> Any:
    """A module of an optional package, imported without what it warns of.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError:
        raise UnsupportedError(
            f"{what} needs the package {name.partition('.')[0]}; pip install 'bitknap[{extra}]'"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings and without the log of other libraries, errors apart."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
