"""Calls into a user's own code, whose exceptions become one sentence with the place."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from bitknap.problems.errors import BitknapError, DataError

P = ParamSpec("P")
R = TypeVar("R")

PASSED_OVER = ("bitknap", "torch", "numpy", "importlib")
"""Packages whose lines in a traceback say nothing about the user's own code."""


def guarded(what: str, function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose exceptions other than ours become a `DataError` that chains them.

    Args:
        what: names the call, e.g. ``the model's forward pass``.
        function: the user's.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BitknapError:
            raise
        except Exception as error:
            raise explained(what, error) from error

    return call


def explained(what: str, error: Exception) -> DataError:
    """The sentence for an exception, with the last place in the user's code."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [
        f" ({frame.f_code.co_filename}, line {line})"
        for frame, line in frames
        if frame.f_globals.get("__name__", "").partition(".")[0] not in PASSED_OVER
    ]
    message = " ".join(str(error).split())
    return DataError(
        f"{what} raised {type(error).__name__}{f': {message}' if message else ''}"
        f"{places[-1] if places else ''}"
    )
