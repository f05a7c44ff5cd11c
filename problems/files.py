"""Instance files: JSON for people (``bitknap.instance/1``), NPZ for large ones."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BitknapError, DataError, InstanceError
from .instance import Instance

FORMAT = "bitknap.instance/1"

_REQUIRED = ("format", "name", "resources", "capacity", "classes")
_OPTIONAL = ("ties", "source", "optimum")


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises:
        DataError: the file or its folder cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data.encode() if isinstance(data, str) else data)
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None


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
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InstanceError(f"{path}: no such file") from None
    except OSError as error:
        raise InstanceError(f"{path}: cannot be read ({error.strerror})") from None
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


def _no_constant(text: str) -> float:
    raise InstanceError(f"{text} is not a number that JSON knows; costs must be finite")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InstanceError(f"the key {twice!r} stands twice in one object")
    return document


def _from_json(data: bytes) -> Instance:
    try:
        document = json.loads(
            data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique_keys
        )
    except UnicodeDecodeError:
        raise InstanceError(f"is not UTF-8 text; expected a {FORMAT} JSON document") from None
    except json.JSONDecodeError as error:
        raise InstanceError(
            f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None
    except RecursionError:
        raise InstanceError("is nested too deeply to be an instance") from None
    return from_document(document)


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
        raise InstanceError(f"{where} must be {wanted}, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


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
        raise InstanceError(f"{where} must be a string, got {_shown(value)}")
    return value


def _number(value: Any, where: str) -> float:
    try:
        good = not isinstance(value, bool) and math.isfinite(number := float(value))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good or isinstance(value, str):
        raise InstanceError(f"{where} must be a finite number, got {_shown(value)}")
    return number


def _optional_number(value: Any, where: str) -> float | None:
    return None if value is None else _number(value, where)


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InstanceError(f"{where} must be an integer, got {_shown(value)}")
    if not 0 <= value < 1 << 62:
        raise InstanceError(f"{where} must be at least 0 and below 2^62, got {value}")
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


def _from_npz(data: bytes) -> Instance:
    wanted = ("header", "offsets", "cost", "weight", "capacity", "class_names", "labels")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        missing = [key for key in wanted if key not in arrays]
        if missing:
            raise InstanceError(f"lacks the array {missing[0]!r}; expected a {FORMAT} archive")
        header = json.loads(str(arrays["header"]))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InstanceError):
            raise
        raise InstanceError(f"is not a readable NPZ archive ({error})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InstanceError(f"is an NPZ archive of another format, expected {FORMAT!r}")
    for key, kind in (("offsets", "i"), ("weight", "i"), ("capacity", "i"), ("cost", "f")):
        if arrays[key].dtype.kind != kind:
            kinds = "floats" if kind == "f" else "integers"
            raise InstanceError(f"the array {key!r} must hold {kinds}, got {arrays[key].dtype}")
    names = arrays["class_names"].astype(str).tolist()
    return Instance(
        name=_text(header.get("name"), "name"),
        offsets=arrays["offsets"],
        cost=arrays["cost"],
        weight=arrays["weight"],
        capacity=arrays["capacity"],
        class_names=tuple(names),
        # Interned, a million layers with eight labels hold eight strings.
        labels=tuple(map(sys.intern, arrays["labels"].astype(str).tolist())),
        resources=tuple(_strings(header.get("resources"), "resources")),
        ties=_tie_indices(header.get("ties", []), names),
        source=_text(header.get("source", ""), "source"),
        optimum=_optional_number(header.get("optimum"), "optimum"),
    )
