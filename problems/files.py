"""Instance files: JSON for people (``bitknap.instance/1``), NPZ for large ones."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .archive import Member, open_archive
from .documents import parse_json
from .errors import BitknapError, DataError, InstanceError
from .instance import MOST_ITEMS, Instance
from .schema import Count, brief, convert
from .storage import LARGEST_TEXT, read_file, write_atomically

FORMAT = "bitknap.instance/1"


def load_instance(path: str | os.PathLike[str]) -> Instance:
    """Read an instance from a ``.json`` or ``.npz`` file.

    Raises:
        InstanceError: the file is missing, unreadable, of another format or malformed; the
            sentence names the file and the place.

    Example:
        >>> load_instance("missing.json")
        Traceback (most recent call last):
        ...
        bitknap.problems.errors.InstanceError: missing.json: no such file
    """
    data = read_file(path, InstanceError)
    try:
        return _from_npz(data) if data[:2] == b"PK" else _from_json(data)
    except BitknapError as error:
        raise InstanceError(f"{path}: {error}") from None


def save_instance(instance: Instance, path: str | os.PathLike[str]) -> None:
    """Write an instance atomically, as NPZ when the path ends in ``.npz``, else as JSON."""
    npz = Path(path).suffix == ".npz"
    write_atomically(path, _to_npz(instance) if npz else to_json(instance))


def to_json(instance: Instance) -> str:
    """The instance as a ``bitknap.instance/1`` document, one class per line."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "name": instance.name,
        "resources": list(instance.resources),
        "capacity": instance.capacity.tolist(),
    }
    tail = _header_tail(instance)
    costs, weights = instance.cost.tolist(), instance.weight.T.tolist()
    lines = []
    for i, name in enumerate(instance.class_names):
        items = [
            {"label": instance.labels[j], "cost": costs[j], "weight": weights[j]}
            for j in range(instance.offsets[i], instance.offsets[i + 1])
        ]
        lines.append("  " + json.dumps({"name": name, "items": items}))
    body = json.dumps(head)[:-1] + ',\n "classes": [\n' + ",\n".join(lines) + "\n ]"
    return body + (",\n " + json.dumps(tail)[1:-1] if tail else "") + "}\n"


def _header_tail(instance: Instance) -> dict[str, Any]:
    names = instance.class_names
    tail: dict[str, Any] = {}
    if instance.ties:
        tail["ties"] = [[names[i] for i in group] for group in instance.ties]
    if instance.source:
        tail["source"] = instance.source
    if instance.optimum is not None:
        tail["optimum"] = instance.optimum
    return tail


def _from_json(data: bytes) -> Instance:
    if len(data) > LARGEST_TEXT:
        raise InstanceError(
            f"has {len(data):,} bytes, and of JSON at most {LARGEST_TEXT:,} are read; save it "
            "as .npz"
        )
    return from_document(parse_json(data))


@dataclass(frozen=True)
class _InstanceHeader:
    """What is said of an instance beside its classes."""

    name: str
    resources: tuple[str, ...]
    ties: tuple[tuple[str, ...], ...] = ()
    source: str = ""
    optimum: float | None = None

    def fields(self, names: Sequence[str]) -> dict[str, Any]:
        """Arguments of an instance whose classes have these names."""
        return {
            "name": self.name,
            "class_names": tuple(names),
            "resources": self.resources,
            "ties": self._indices(names),
            "source": self.source,
            "optimum": self.optimum,
        }

    def _indices(self, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        index = {name: i for i, name in enumerate(names)}
        for k, group in enumerate(self.ties):
            unknown = [name for name in group if name not in index]
            if unknown:
                raise InstanceError(f"ties[{k}] names class {unknown[0]!r}, which does not exist")
        return tuple(tuple(index[name] for name in group) for group in self.ties)


@dataclass(slots=True)
class _Item:
    label: str
    cost: float
    weight: list[Count]


@dataclass(slots=True)
class _Class:
    name: str
    items: list[_Item]


@dataclass(frozen=True, kw_only=True)
class _InstanceDocument(_InstanceHeader):
    capacity: list[Count]
    classes: list[_Class]


def from_document(document: Any) -> Instance:
    """The instance that a parsed ``bitknap.instance/1`` document describes.

    Raises:
        InstanceError: with the first key, class or item that is wrong.
    """
    try:
        given = convert(_InstanceDocument, _content(document))
    except DataError as error:
        raise InstanceError(str(error)) from None
    names = [entry.name for entry in given.classes]
    items = [item for entry in given.classes for item in entry.items]
    limits = len(given.resources)
    if len(given.capacity) != limits:
        raise InstanceError(f"capacity has {len(given.capacity)} entries for {limits} resources")
    for entry in given.classes:
        for j, item in enumerate(entry.items):
            if len(item.weight) != limits:
                raise InstanceError(
                    f"the weight of item {j} of class {entry.name!r} has {len(item.weight)} "
                    f"entries for {limits} resources"
                )
    return Instance(
        offsets=np.cumsum([0, *(len(entry.items) for entry in given.classes)]),
        cost=np.array([item.cost for item in items], dtype=np.float64),
        weight=np.array([item.weight for item in items], dtype=np.int64).reshape(-1, limits).T,
        capacity=np.array(given.capacity, dtype=np.int64),
        labels=tuple(item.label for item in items),
        **given.fields(names),
    )


def _content(document: Any) -> dict[str, Any]:
    """The document without its format, which must be ours."""
    if not isinstance(document, dict):
        raise InstanceError(f"the document must be an object, got {brief(document)}")
    if (found := document.get("format")) != FORMAT:
        raise InstanceError(f"has format {found!r:.60}, expected {FORMAT!r}; is it another file?")
    return {key: value for key, value in document.items() if key != "format"}


def _to_npz(instance: Instance) -> bytes:
    header = {"format": FORMAT, "name": instance.name, "resources": list(instance.resources)}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        header=np.array(json.dumps(header | _header_tail(instance))),
        offsets=instance.offsets,
        cost=instance.cost,
        weight=instance.weight,
        capacity=instance.capacity,
        class_names=np.array(instance.class_names),
        labels=np.array(instance.labels),
    )
    return buffer.getvalue()


_ARRAYS = {
    "header": "U",
    "offsets": "i",
    "cost": "f",
    "weight": "i",
    "capacity": "i",
    "class_names": "U",
    "labels": "U",
}
"""Arrays of an archive and their kinds."""


def _from_npz(data: bytes) -> Instance:
    try:
        members = open_archive(data)
        _check_arrays(members)
        arrays = {key: members[key].read() for key in _ARRAYS}
    except ValueError as error:
        if isinstance(error, InstanceError):
            raise
        raise InstanceError(f"is not a readable NPZ archive ({error})") from None
    header = convert(
        _InstanceHeader, _content(parse_json(str(arrays["header"]).encode())), "the header"
    )
    return Instance(
        offsets=arrays["offsets"],
        cost=arrays["cost"],
        weight=arrays["weight"],
        capacity=arrays["capacity"],
        # Interned, a million layers with eight labels hold eight strings.
        labels=tuple(map(sys.intern, arrays["labels"].tolist())),
        **header.fields(arrays["class_names"].tolist()),
    )


def _check_arrays(members: Mapping[str, Member]) -> None:
    """Kinds and shapes as they are declared, before any array is unpacked."""
    if "upper" in members:
        raise InstanceError("holds a quadratic instance; only solve, verify and instances take it")
    if "cost/size_bits" in members:
        raise InstanceError("holds a sensitivity table; `bitknap build` makes an instance of it")
    for key, kind in _ARRAYS.items():
        if key not in members:
            raise InstanceError(f"lacks the array {key!r}; expected a {FORMAT} archive")
        found = members[key].dtype
        if found.kind != kind:
            kinds = {"f": "floats", "i": "integers", "U": "text"}[kind]
            raise InstanceError(f"the array {key!r} must hold {kinds}, got {found}")
    shapes = {key: members[key].shape for key in _ARRAYS}
    n, k = (math.prod(shapes[key]) for key in ("cost", "capacity"))
    rows = math.prod(shapes["class_names"])
    expected = {
        "header": (),
        "offsets": (rows + 1,),
        "cost": (n,),
        "weight": (k, n),
        "capacity": (k,),
        "class_names": (rows,),
        "labels": (n,),
    }
    for key, shape in expected.items():
        if shapes[key] != shape:
            raise InstanceError(f"the array {key!r} must have shape {shape}, got {shapes[key]}")
    if n > MOST_ITEMS:
        raise InstanceError(f"has {n:,} items, and at most {MOST_ITEMS:,} are read")
