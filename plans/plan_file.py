"""Plan files ``bitknap.plan/1``: what a plan chooses, predicts and was measured at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bitknap.problems.errors import DataError
from bitknap.problems.schema import convert
from bitknap.sensitivity import LayerInfo, SensitivityTable
from bitknap.sensitivity.quantization.grids import ActivationGrids, Grid

from .measured import MeasuredPlan

FORMAT = "bitknap.plan/1"


@dataclass(frozen=True)
class Prediction:
    """What a metric says of a plan.

    Args:
        metric: its name.
        value: predicted loss increase, in the metric's unit.
        error: standard error of it over the calibration samples; None where it has none.
        optimum: the least value within the budget, proven where ``proven``.
        proven: whether the optimum is.
    """

    metric: str
    value: float
    error: float | None
    optimum: float | None
    proven: bool


@dataclass(frozen=True)
class _Layer:
    layer: LayerInfo
    choice: str
    bits: int
    costs: dict[str, int]
    activation: Grid | None = None


@dataclass(frozen=True)
class StoredPlan:
    """What a plan file holds."""

    budget: str
    provenance: dict[str, Any]
    floats: dict[str, int]
    layers: tuple[_Layer, ...]
    prediction: Prediction | None = None
    measured: MeasuredPlan | None = None

    @classmethod
    def of(cls, document: dict[str, Any]) -> StoredPlan:
        """What a ``bitknap.plan/1`` document holds.

        Raises:
            DataError: it is none.
        """
        if document.get("format") != FORMAT:
            raise DataError(f"expected a plan of format {FORMAT}, got {document.get('format')!r}")
        return convert(cls, {k: v for k, v in document.items() if k != "format"})

    @property
    def choices(self) -> dict[str, str]:
        """Layer -> label."""
        return {row.layer.name: row.choice for row in self.layers}

    def table(self) -> SensitivityTable:
        """The chosen items as a table without metrics.

        Raises:
            DataError: the layers are inconsistent, or there are none.
        """
        if not self.layers:
            raise DataError("the plan has no layers")
        resources = list(self.layers[0].costs)
        if any(list(row.costs) != resources for row in self.layers):
            raise DataError("the layers of the plan have different costs")
        grids = [row.activation for row in self.layers if row.activation is not None]
        if grids and len(grids) != len(self.layers):
            raise DataError("some layers of the plan lack their activation grids")
        return SensitivityTable(
            layers=tuple(row.layer for row in self.layers),
            offsets=np.arange(len(self.layers) + 1, dtype=np.int64),
            labels=tuple(row.choice for row in self.layers),
            bits=np.array([row.bits for row in self.layers], dtype=np.int64),
            costs={
                name: np.array([row.costs[name] for row in self.layers], dtype=np.int64)
                for name in resources
            },
            omega={},
            provenance=self.provenance,
            floats=self.floats,
            activations=ActivationGrids.of(grids) if grids else None,
        )


def plan_document(
    table: SensitivityTable,
    items: Sequence[int],
    budget: str,
    prediction: Prediction | None,
    measured: MeasuredPlan | None,
) -> dict[str, Any]:
    """The chosen items of a table as a ``bitknap.plan/1`` document."""
    layers = []
    for layer, item in zip(table.layers, items, strict=True):
        row: dict[str, Any] = {"layer": asdict(layer), "choice": table.labels[item]}
        row["bits"] = int(table.bits[item])
        row["costs"] = {name: int(cost[item]) for name, cost in table.costs.items()}
        if table.activations is not None:
            row["activation"] = asdict(table.activations.at(item))
        layers.append(row)
    return {
        "format": FORMAT,
        "budget": budget,
        "provenance": json.loads(json.dumps(dict(table.provenance))),
        "floats": dict(table.floats),
        "layers": layers,
        "prediction": None if prediction is None else asdict(prediction),
        "measured": None if measured is None else asdict(measured),
    }
