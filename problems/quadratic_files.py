"""Files of quadratic instances: NPZ archives of the family ``bitknap.quadratic/1``."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass

import numpy as np

from .archive import Arrays, encode, open_archive
from .documents import parse_json
from .errors import BitknapError, InstanceError
from .files import from_document, to_json
from .quadratic import QuadraticInstance
from .schema import brief, convert
from .storage import read_file, require_file, write_atomically

FORMAT = "bitknap.quadratic/1"

_KINDS = {"header": "u1", "knapsack": "u1", "upper": "f8"}


@dataclass(frozen=True)
class _Header:
    sha256: str
    best: float | None = None
    bound: float | None = None


def save_quadratic(problem: QuadraticInstance, path: str | os.PathLike[str]) -> None:
    """Write a quadratic instance atomically.

    The archive holds the knapsack as a ``bitknap.instance/1`` document, the upper triangle of the
    matrix by rows, and a header with the hash of both.
    """
    knapsack = to_json(problem.knapsack).encode()
    upper = problem.matrix[np.triu_indices(len(problem.matrix))]
    header: dict[str, object] = {"format": FORMAT, "sha256": _digest(knapsack, upper)}
    known = {"best": problem.best, "bound": problem.bound}
    header |= {key: value for key, value in known.items() if value is not None}
    arrays: Arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "knapsack": np.frombuffer(knapsack, dtype=np.uint8),
        "upper": upper,
    }
    write_atomically(path, encode(arrays))


def load_quadratic(path: str | os.PathLike[str]) -> QuadraticInstance:
    """Read a file of :func:`save_quadratic`.

    Raises:
        InstanceError: the file is missing, unreadable, of another format, malformed or damaged.
    """
    data = read_file(path, InstanceError)
    try:
        return _decode(data)
    except BitknapError as error:
        raise InstanceError(f"{path}: {error}") from None
    except ValueError as error:
        raise InstanceError(f"{path}: is not a readable NPZ archive ({error})") from None


def is_quadratic(path: str | os.PathLike[str]) -> bool:
    """Whether a plain file is an archive with the arrays of a quadratic instance."""
    try:
        require_file(path)
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _KINDS} == set(archive.namelist())
    except Exception:  # zipfile names no set of errors for damaged bytes
        return False


def _decode(data: bytes) -> QuadraticInstance:
    members = open_archive(data)
    for name, kind in _KINDS.items():
        if name not in members:
            raise InstanceError(f"lacks the array {name!r}; expected a {FORMAT} archive")
        member = members[name]
        if member.dtype != np.dtype(kind) or len(member.shape) != 1:
            raise InstanceError(
                f"the array {name!r} must be a vector of {np.dtype(kind)}, got {member.dtype} "
                f"of shape {member.shape}"
            )
    document = parse_json(members["header"].read().tobytes())
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else document
        raise InstanceError(f"has format {brief(found)}, expected {FORMAT!r}")
    content = {key: value for key, value in document.items() if key != "format"}
    header = convert(_Header, content, "the header")
    text = members["knapsack"].read().tobytes()
    knapsack = from_document(parse_json(text))
    n = knapsack.n_items
    if members["upper"].shape != (n * (n + 1) // 2,):
        raise InstanceError(
            f"the array 'upper' must have {n * (n + 1) // 2} entries for {n} items, "
            f"got {members['upper'].shape[0]}"
        )
    upper = members["upper"].read()
    if _digest(text, upper) != header.sha256:
        raise InstanceError("its content does not have the hash that its header states")
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n)] = upper
    matrix += np.triu(matrix, 1).T
    return QuadraticInstance(knapsack, matrix, header.best, header.bound)


def _digest(knapsack: bytes, upper: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return hashlib.sha256(knapsack + np.ascontiguousarray(upper, "<f8").tobytes()).hexdigest()
