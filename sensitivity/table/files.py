"""Table files ``bitknap.table/N``: NPZ without pickles, the same bytes for the same table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.problems.archive import Arrays, Member, encode, open_archive
from bitknap.problems.errors import BitknapError, DataError
from bitknap.problems.schema import Count, Seconds, brief, convert
from bitknap.problems.storage import read_file, write_atomically

from ..quantization.grids import ActivationGrids
from .archive import document, text
from .table import LayerInfo, SensitivityTable, Tie

FORMAT = "bitknap.table/2"

PAIRS = "bitknap.table/3"
"""Format of tables whose items choose activations too."""

READABLE = ("bitknap.table/1", FORMAT, PAIRS)
"""Formats that `load_table` reads; the first has no ties and no layers left in float."""


def save_table(table: SensitivityTable, path: str | os.PathLike[str]) -> None:
    """Write a table atomically.

    Two members are JSON text as bytes: ``header`` (layers, labels, statistics, ties, provenance)
    and ``times`` (seconds per metric took by the wall clock and of the processor, and peak memory),
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


@dataclass(frozen=True)
class _TableHeader:
    """What the header of a table holds."""

    layers: tuple[LayerInfo, ...]
    labels: tuple[str, ...]
    resources: tuple[str, ...]
    metrics: tuple[str, ...]
    statistics: dict[str, str]
    errors: tuple[str, ...]
    interactions: tuple[str, ...]
    passes: dict[str, float]
    provenance: dict[str, Any]
    ties: tuple[Tie, ...] = ()
    floats: dict[str, Count] = field(default_factory=dict)


Kind = type[np.int64] | type[np.float64]

Times = dict[str, dict[str, Seconds] | Seconds]
"""Of each metric; early tables of the same format have the seconds by the wall clock alone."""


def load_table(path: str | os.PathLike[str]) -> SensitivityTable:
    """Read a table.

    Raises:
        DataError: the file is missing, unreadable, no table, or one of another format, damaged or
            inconsistent.
    """
    data = read_file(path)
    try:
        return _decode(data)
    except BitknapError as error:
        raise DataError(f"{path}: {error}") from None


def _decode(data: bytes) -> SensitivityTable:
    try:
        members = open_archive(data)
        header, times = (document(members[name].read()) for name in ("header", "times"))
        known = header.pop("format")
        if not known.startswith("bitknap.table/"):
            raise ValueError(known)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"not a sensitivity table, expected format {FORMAT}") from None
    if known not in READABLE:
        raise DataError(f"expected format {FORMAT}, got {brief(known)}; compute it again")
    try:
        return _build(convert(_TableHeader, header), convert(Times, times), members, known == PAIRS)
    except (KeyError, ValueError) as error:
        raise DataError(f"the table is incomplete or damaged ({error}); compute it again") from None


def _build(
    header: _TableHeader, times: Times, members: Mapping[str, Member], pairs: bool
) -> SensitivityTable:
    def numbers(name: str, kind: Kind) -> NDArray[Any]:
        if name not in members:
            raise ValueError(f"it lacks the array {name!r}")
        if members[name].dtype.kind != np.dtype(kind).kind:
            raise DataError(f"{name} must hold {kind.__name__}, got {members[name].dtype}")
        return members[name].read()

    def group(folder: str, names: Iterable[str], kind: Kind) -> dict[str, NDArray[Any]]:
        return {name: numbers(f"{folder}/{name}", kind) for name in names}

    kinds: dict[str, Kind] = dict.fromkeys(("bits", "low", "high"), np.int64)
    kinds["scale"] = np.float64
    for name in (*header.metrics, *header.resources):
        if not name or set(name) & set("/\\") or name.startswith("."):
            raise DataError(f"the name {name!r} of a metric or resource cannot be part of a path")
    grids = {name: numbers(f"activation/{name}", kind) for name, kind in kinds.items() if pairs}
    return SensitivityTable(
        layers=header.layers,
        offsets=numbers("offsets", np.int64),
        labels=header.labels,
        bits=numbers("bits", np.int64),
        costs=group("cost", header.resources, np.int64),
        omega=group("omega", header.metrics, np.float64),
        scores=group("scores", header.statistics, np.float64),
        statistics=header.statistics,
        errors=group("error", header.errors, np.float64),
        interactions=group("interactions", header.interactions, np.float64),
        metric_cost={
            name: {**_times(times[name]), "passes": passes}
            for name, passes in header.passes.items()
        },
        provenance=header.provenance,
        ties=header.ties,
        floats=header.floats,
        activations=ActivationGrids(**grids) if pairs else None,
    )


def _times(stored: dict[str, float] | float) -> dict[str, float]:
    return stored if isinstance(stored, dict) else {"seconds": stored}
