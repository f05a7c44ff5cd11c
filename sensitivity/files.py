"""Table files ``bitknap.table/N``: NPZ without pickles, the same bytes for the same table."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitknap.problems.errors import BitknapError, DataError
from bitknap.problems.storage import write_atomically

from .archive import Arrays, decode, document, encode, text
from .grids import ActivationGrids
from .table import LayerInfo, SensitivityTable, Tie

FORMAT = "bitknap.table/2"

PAIRS = "bitknap.table/3"
"""Format of tables whose items choose activations too."""

READABLE = ("bitknap.table/1", FORMAT, PAIRS)
"""Formats that `load_table` reads; the first has no ties and no layers left in float."""


def save_table(table: SensitivityTable, path: str | os.PathLike[str]) -> None:
    """Write a table atomically.

    Two members are JSON text as bytes: ``header`` (layers, labels, statistics, ties, provenance)
    and ``times`` (seconds a metric took by the wall clock and of the processor, and peak memory),
    the only one that differs between equal runs. The others are arrays: ``offsets``, ``bits``,
    ``cost/<resource>``, ``omega/<metric>``, ``scores/<metric>``, ``error/<metric>``,
    ``interactions/<metric>`` and, in format 3, ``activation/<field>`` with the fields of `Grid`.
    """
    header = {
        "format": FORMAT if table.activations is None else PAIRS,
        "layers": [asdict(layer) for layer in table.layers],
        "labels": list(table.labels),
        "resources": list(table.costs),
        "metrics": list(table.omega),
        "statistics": dict(table.statistics),
        "errors": list(table.errors),
        "interactions": list(table.interactions),
        "passes": {name: cost["passes"] for name, cost in table.metric_cost.items()},
        "provenance": dict(table.provenance),
        "ties": [{"layers": list(tie.layers), "reason": tie.reason} for tie in table.ties],
        "floats": dict(table.floats),
    }
    times = {
        name: {what: value for what, value in cost.items() if what != "passes"}
        for name, cost in table.metric_cost.items()
    }
    arrays: Arrays = {
        "header": text(header),
        "times": text(times),
        "offsets": table.offsets,
        "bits": table.bits,
    }
    groups = {
        "cost": table.costs,
        "omega": table.omega,
        "scores": table.scores,
        "error": table.errors,
        "interactions": table.interactions,
        "activation": {} if table.activations is None else table.activations.arrays,
    }
    for folder, group in groups.items():
        arrays |= {f"{folder}/{name}": array for name, array in group.items()}
    write_atomically(path, encode(arrays))


def load_table(path: str | os.PathLike[str]) -> SensitivityTable:
    """Read a table.

    Raises:
        DataError: the file is missing, damaged, of another format, or inconsistent.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _decode(data)
    except BitknapError as error:
        raise DataError(f"{path}: {error}") from None


def _decode(data: bytes) -> SensitivityTable:
    try:
        arrays = decode(data)
        header, times = document(arrays["header"]), document(arrays["times"])
        known = header["format"]
    except (KeyError, TypeError, ValueError):
        raise DataError(f"not a sensitivity table, expected format {FORMAT}") from None
    if known not in READABLE:
        raise DataError(f"expected format {FORMAT}, got {known!r}; compute the table again")
    try:
        return _build(header, times, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the table is incomplete or damaged ({error}); compute it again") from None


def _build(header: dict[str, Any], times: dict[str, Any], arrays: Arrays) -> SensitivityTable:
    layers = tuple(
        LayerInfo(**{**item, "shape": tuple(item["shape"]), "shared": tuple(item["shared"])})
        for item in header["layers"]
    )
    passes = header["passes"]
    return SensitivityTable(
        layers=layers,
        offsets=arrays["offsets"],
        labels=tuple(header["labels"]),
        bits=arrays["bits"],
        costs={name: arrays[f"cost/{name}"] for name in header["resources"]},
        omega={name: arrays[f"omega/{name}"] for name in header["metrics"]},
        scores={name: arrays[f"scores/{name}"] for name in header["statistics"]},
        statistics=header["statistics"],
        errors={name: arrays[f"error/{name}"] for name in header["errors"]},
        interactions={name: arrays[f"interactions/{name}"] for name in header["interactions"]},
        metric_cost={name: {**_times(times[name]), "passes": passes[name]} for name in passes},
        provenance=header["provenance"],
        ties=tuple(Tie(tuple(tie["layers"]), tie["reason"]) for tie in header.get("ties", [])),
        floats=header.get("floats", {}),
        activations=_activations(arrays) if header["format"] == PAIRS else None,
    )


def _activations(arrays: Arrays) -> ActivationGrids:
    return ActivationGrids(
        **{name: arrays[f"activation/{name}"] for name in ("bits", "scale", "low", "high")}
    )


def _times(stored: Any) -> dict[str, float]:
    """Seconds a metric took; early tables of the same format have those of the wall clock alone."""
    return dict(stored) if isinstance(stored, dict) else {"seconds": float(stored)}
