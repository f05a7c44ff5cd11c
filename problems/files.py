"""Instance files: JSON for people (``bitknap.instance/1``), NPZ for large ones."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .archive import Member, open_archive
from .documents import parse_json
from .errors import BitknapError, InstanceError
from .instance import MOST_ITEMS, Instance
from .schema import brief
from .storage import LARGEST_TEXT, read_file, write_atomically

FORMAT = "bitknap.instance/1"

_REQUIRED = ("format", "name", "resources", "capacity", "classes")
_OPTIONAL = ("ties", "source", "optimum")


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
    """The instance as a ``bitknap.instance/1`` document, one class a line."""
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


def from_document(document: Any) -> Instance:
    """The instance that a parsed ``bitknap.instance/1`` document describes.

    Raises:
        InstanceError: with the first key, class or item that is wrong.
    """
    _expect(document, dict, "the document")
    if document.get("format") != FORMAT:
        raise InstanceError(
            f"has format {document.get('format')!r}, expected {FORMAT!r}; is it another file?"
        )
    _keys(document, _REQUIRED, _OPTIONAL, "the document")
    resources = _strings(document["resources"], "resources")
    limits = _expect(document["capacity"], list, "capacity")
    capacity = [_integer(limit, f"capacity[{k}]") for k, limit in enumerate(limits)]
    if len(capacity) != len(resources):
        raise InstanceError(f"capacity has {len(capacity)} entries for {len(resources)} resources")
    names, labels, costs, weights, offsets = _classes(document["classes"], len(resources))
    return Instance(
        name=_text(document["name"], "name"),
        offsets=np.array(offsets, dtype=np.int64),
        cost=np.array(costs, dtype=np.float64),
        weight=np.array(weights, dtype=np.int64).reshape(-1, len(resources)).T,
        capacity=np.array(capacity, dtype=np.int64),
        class_names=tuple(names),
        labels=tuple(labels),
        resources=tuple(resources),
        ties=_tie_indices(document.get("ties", []), names),
        source=_text(document.get("source", ""), "source"),
        optimum=_optional_number(document.get("optimum"), "optimum"),
    )


def _classes(
    classes: Any, n_resources: int
) -> tuple[list[str], list[str], list[float], list[list[int]], list[int]]:
    names: list[str] = []
    labels: list[str] = []
    costs: list[float] = []
    weights: list[list[int]] = []
    offsets = [0]
    for i, entry in enumerate(_expect(classes, list, "classes")):
        _keys(_expect(entry, dict, f"classes[{i}]"), ("name", "items"), (), f"classes[{i}]")
        name = _text(entry["name"], f"the name of classes[{i}]")
        items = _expect(entry["items"], list, f"items of class {name!r}")
        if not items:
            raise InstanceError(f"class {name!r} has no items; every class needs at least one")
        for j, item in enumerate(items):
            where = f"item {j} of class {name!r}"
            _keys(_expect(item, dict, where), ("label", "cost", "weight"), (), where)
            labels.append(_text(item["label"], f"the label of {where}"))
            costs.append(_number(item["cost"], f"the cost of {where}"))
            row = _expect(item["weight"], list, f"the weight of {where}")
            if len(row) != n_resources:
                raise InstanceError(
                    f"the weight of {where} has {len(row)} entries for {n_resources} resources"
                )
            weights.append([_integer(w, f"the weight of {where}") for w in row])
        names.append(name)
        offsets.append(len(labels))
    return names, labels, costs, weights, offsets


def _tie_indices(ties: Any, names: list[str]) -> tuple[tuple[int, ...], ...]:
    index = {name: i for i, name in enumerate(names)}
    groups = []
    for k, group in enumerate(_expect(ties, list, "ties")):
        members = _strings(group, f"ties[{k}]")
        unknown = [name for name in members if name not in index]
        if unknown:
            raise InstanceError(f"ties[{k}] names class {unknown[0]!r}, which does not exist")
        groups.append(tuple(index[name] for name in members))
    return tuple(groups)


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise InstanceError(f"{where} must be {wanted}, got {brief(value)}")
    return value


def _keys(
    entry: dict[str, Any], required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> None:
    for key in required:
        if key not in entry:
            raise InstanceError(f"{where} lacks the key {key!r}")
    unknown = set(entry) - set(required) - set(optional)
    if unknown:
        known = ", ".join(required + optional)
        raise InstanceError(
            f"{where} has the unknown key {sorted(unknown)[0]!r}; known are {known}"
        )


def _strings(value: Any, where: str) -> list[str]:
    return [_text(entry, f"{where}[{k}]") for k, entry in enumerate(_expect(value, list, where))]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InstanceError(f"{where} must be a string, got {brief(value)}")
    return value


def _number(value: Any, where: str) -> float:
    try:
        good = not isinstance(value, bool) and math.isfinite(number := float(value))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good or isinstance(value, str):
        raise InstanceError(f"{where} must be a finite number, got {brief(value)}")
    return number


def _optional_number(value: Any, where: str) -> float | None:
    return None if value is None else _number(value, where)


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InstanceError(f"{where} must be an integer, got {brief(value)}")
    if not 0 <= value < 1 << 62:
        raise InstanceError(f"{where} must be at least 0 and below 2^62, got {brief(value)}")
    return value


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
    header = parse_json(str(arrays["header"]).encode("utf-8", "surrogatepass"))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InstanceError(f"is an NPZ archive of another format, expected {FORMAT!r}")
    names = arrays["class_names"].tolist()
    return Instance(
        name=_text(header.get("name"), "name"),
        offsets=arrays["offsets"],
        cost=arrays["cost"],
        weight=arrays["weight"],
        capacity=arrays["capacity"],
        class_names=tuple(names),
        # Interned, a million layers with eight labels hold eight strings.
        labels=tuple(map(sys.intern, arrays["labels"].tolist())),
        resources=tuple(_strings(header.get("resources"), "resources")),
        ties=_tie_indices(header.get("ties", []), names),
        source=_text(header.get("source", ""), "source"),
        optimum=_optional_number(header.get("optimum"), "optimum"),
    )


def _check_arrays(members: Mapping[str, Member]) -> None:
    """Kinds and shapes as they are declared, before any array is unpacked."""
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
