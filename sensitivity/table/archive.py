"""JSON documents as members of an NPZ archive."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.problems.archive import Arrays, decode, encode
from bitknap.problems.documents import parse_json
from bitknap.problems.errors import DataError

__all__ = ["Arrays", "decode", "document", "encode", "text"]


def text(content: object) -> NDArray[np.uint8]:
    """A JSON document as an array of bytes."""
    return np.frombuffer(json.dumps(content, allow_nan=False).encode(), dtype=np.uint8)


def document(array: NDArray[Any]) -> Any:
    """The JSON document in an array of bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        return parse_json(array.tobytes())
    except DataError as error:
        raise ValueError(str(error)) from None
