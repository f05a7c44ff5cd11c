"""Arrays as NPZ bytes: no pickles, the same bytes for the same arrays."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def encode(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as an NPZ file without time stamps."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return stream.getvalue()


def decode(data: bytes) -> Arrays:
    """The arrays of an NPZ file.

    Raises:
        ValueError: the bytes are no NPZ file, or damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from None


def text(content: object) -> NDArray[np.uint8]:
    """A JSON document as an array of bytes."""
    return np.frombuffer(json.dumps(content, allow_nan=False).encode(), dtype=np.uint8)


def document(array: NDArray[Any]) -> Any:
    """The JSON document in an array of bytes.

    Raises:
        ValueError: it is none.
    """
    return json.loads(array.tobytes())
