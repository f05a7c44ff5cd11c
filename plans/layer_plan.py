"""A plan: a choice for every layer, with what it predicts, what was measured, and its sizes."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.documents import load_as
from bitknap.problems.errors import DataError
from bitknap.problems.schema import convert
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.quantization.grids import ActivationGrids, Grid
from bitknap.sensitivity.table.table import LayerInfo
from bitknap.sensitivity.tracing.batches import Batch, Forward
from bitknap.solvers import Solution

from .apply import Applier
from .export import TARGETS
from .packed import pack
from .search import MeasuredPlan

FORMAT = "bitknap.plan/1"

FLOAT_BITS = 32


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


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A choice for every layer of one network.

    Args:
        choices: layer -> label, e.g. ``{"conv1": "4"}``.
        table: the sensitivity table that it was chosen from; of a plan from a file, the chosen
            items alone.
        budget: as it was asked for.
        prediction: by the metric that it was asked for.
        solution: the exact answer with its certificate, where a solver gave one.
        measured: the race and the exchanges, where plans were measured.
        calibration: data that `apply` repairs with.
        forward: ``forward(model, batch)``.
    """

    choices: Mapping[str, str]
    table: SensitivityTable
    budget: str = ""
    prediction: Prediction | None = None
    solution: Solution | None = None
    measured: MeasuredPlan | None = None
    calibration: tuple[Batch, ...] | None = field(default=None)
    forward: Forward | None = None

    def __post_init__(self) -> None:
        self.table.positions(self.choices)

    @property
    def items(self) -> Any:
        """(L,) items of the table."""
        return self.table.positions(self.choices)

    @property
    def size_bits(self) -> int:
        """Stored size of the quantized weights: codes, scales, zero points."""
        return int(self.table.costs["size_bits"][self.items].sum())

    @property
    def average_bits(self) -> float:
        """Bits per weight, codes only."""
        return int(self.table.code_bits[self.items].sum()) / self.table.weights

    @property
    def compression(self) -> float:
        """Size of the layers' float32 weights over their quantized size."""
        return FLOAT_BITS * self.table.weights / self.size_bits

    def apply(
        self,
        model: nn.Module,
        *,
        calibration: Iterable[Batch] | None = None,
        repair: str = "auto",
        forward: Forward | None = None,
    ) -> nn.Module:
        """A copy of the model with the plan's choices, repaired; see `apply_plan`.

        Args:
            model: the float network of the plan; not changed.
            calibration: batches to repair with; by default those that the plan was made from.
            repair: ``auto``, ``none``, or names with commas.
            forward: ``forward(model, batch)``; by default that of the plan.

        Raises:
            DataError: the network has other weights than the plan's.
        """
        data = self.calibration if calibration is None else calibration
        return Applier(model, self.table, None, data, forward or self.forward)(self.choices, repair)

    def evaluate(self, model: nn.Module, accuracy: Callable[[nn.Module], Any]) -> Any:
        """What ``accuracy`` says of the network with the plan applied and repaired."""
        return accuracy(self.apply(model))

    def pack(
        self,
        model: nn.Module,
        path: str | os.PathLike[str],
        *,
        calibration: Iterable[Batch] | None = None,
        repair: str = "auto",
    ) -> int:
        """Apply the plan and write the network with codes at their true widths.

        `bitknap.plans.load_packed` reads it back, bit for bit.

        Args:
            model: the float network of the plan; not changed.
            path: the file, safetensors.
            calibration, repair: as in `apply`.

        Returns:
            The bytes of the file.
        """
        network = self.apply(model, calibration=calibration, repair=repair)
        return pack(model, network, self.table, self.choices, self.document(), path)

    def document(self) -> dict[str, Any]:
        """The plan as JSON, format ``bitknap.plan/1``."""
        at = self.items.tolist()
        layers = []
        for layer, item in zip(self.table.layers, at, strict=True):
            row: dict[str, Any] = {"layer": asdict(layer), "choice": self.table.labels[item]}
            row["bits"] = int(self.table.bits[item])
            row["costs"] = {name: int(cost[item]) for name, cost in self.table.costs.items()}
            if self.table.activations is not None:
                row["activation"] = asdict(self.table.activations.at(item))
            layers.append(row)
        return {
            "format": FORMAT,
            "budget": self.budget,
            "provenance": json.loads(json.dumps(dict(self.table.provenance))),
            "floats": dict(self.table.floats),
            "layers": layers,
            "prediction": None if self.prediction is None else asdict(self.prediction),
            "measured": None if self.measured is None else asdict(self.measured),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan; equal plans give equal bytes."""
        write_atomically(path, json.dumps(self.document(), indent=1) + "\n")

    def export(
        self,
        model: nn.Module,
        path: str | os.PathLike[str],
        *,
        to: str = "onnx",
        inputs: Sequence[Any] | None = None,
        calibration: Iterable[Batch] | None = None,
        repair: str = "auto",
    ) -> Any:
        """Apply the plan and write the network for another runtime.

        Args:
            model: the float network of the plan; not changed.
            path: the file.
            to: a target of ``plans/export``.
            inputs: positional inputs of ``forward``; by default those of the first calibration
                batch, where it is a tensor or a pair.
            calibration, repair: as in `apply`.

        Returns:
            What was written, with ``size`` in bytes.
        """
        target = TARGETS.load(to)
        given = self._inputs() if inputs is None else inputs
        network = self.apply(model, calibration=calibration, repair=repair)
        return target(model, network, self.table, self.choices, given, path)

    def _inputs(self) -> Sequence[Any]:
        batch = self.calibration[0] if self.calibration else None
        if isinstance(batch, Tensor):
            return (batch,)
        if isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[0], Tensor):
            return (batch[0],)
        raise DataError("pass inputs=(x, ...), the positional inputs of the network's forward")

    @property
    def predicted_bytes(self) -> int:
        """Of the quantized weights, with their scales and zero points."""
        return -(-self.size_bits // 8)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Plan:
        """Read a plan.

        Raises:
            DataError: the file is missing, damaged, or no plan.
        """
        stored = load_as(_StoredPlan, path, (FORMAT,), remedy="make the plan again")
        try:
            return stored.plan()
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def compare(self, other: Plan) -> dict[str, tuple[str | None, str | None]]:
        """Layer -> choices in this plan and the other, of the layers where they differ."""
        names = dict.fromkeys([*self.choices, *other.choices])
        pairs = {name: (self.choices.get(name), other.choices.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def _lines(self) -> list[tuple[str, str]]:
        sizes = f"{self.size_bits / 8000:,.1f} kB, {self.compression:.1f}x smaller than float32"
        found = [
            ("layers", f"{len(self.table.layers)} with {self.table.weights:,} weights"),
            ("bits", f"{self.average_bits:.3f} per weight"),
            ("size", sizes),
            ("coverage", str(self.table.coverage)),
        ]
        if self.budget:
            found.insert(0, ("budget", self.budget))
        if self.prediction is not None:
            p = self.prediction
            spread = "" if p.error is None else f" ± {p.error:.2g}"
            text = f"{p.value:.4g}{spread} by {p.metric}"
            if p.proven and p.value == p.optimum:
                text += ", proven to be the least within the budget"
            found.append(("predicted", text))
        if self.measured is not None:
            m = self.measured
            found.append(("measured", f"damage {m.damage:.4g} ± {m.error:.2g}, from {m.source}"))
        counts: dict[str, int] = {}
        for label in self.choices.values():
            counts[label] = counts.get(label, 0) + 1
        labels = sorted(counts, key=lambda label: (len(label), label))
        found.append(("choices", ", ".join(f"{label}: {counts[label]}" for label in labels)))
        return found

    def __repr__(self) -> str:
        rows = self._lines()
        width = max(len(name) for name, _ in rows)
        return "\n".join(["Plan", *(f"  {name:<{width}}  {text}" for name, text in rows)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._lines()
        )
        return f"<table><caption>Plan</caption>{rows}</table>"


@dataclass(frozen=True)
class _Layer:
    layer: LayerInfo
    choice: str
    bits: int
    costs: dict[str, int]
    activation: Grid | None = None


@dataclass(frozen=True)
class _StoredPlan:
    """What a plan file holds."""

    budget: str
    provenance: dict[str, Any]
    floats: dict[str, int]
    layers: tuple[_Layer, ...]
    prediction: Prediction | None = None
    measured: MeasuredPlan | None = None

    def plan(self) -> Plan:
        if not self.layers:
            raise DataError("the plan has no layers")
        resources = list(self.layers[0].costs)
        if any(list(row.costs) != resources for row in self.layers):
            raise DataError("the layers of the plan have different costs")
        grids = [row.activation for row in self.layers if row.activation is not None]
        if grids and len(grids) != len(self.layers):
            raise DataError("some layers of the plan lack their activation grids")
        table = SensitivityTable(
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
        choices = {row.layer.name: row.choice for row in self.layers}
        return replace(
            Plan(choices, table, self.budget),
            prediction=self.prediction,
            measured=self.measured,
        )


def plan_of(document: dict[str, Any]) -> Plan:
    """The plan of a ``bitknap.plan/1`` document.

    Raises:
        DataError: it is none.
    """
    if document.get("format") != FORMAT:
        raise DataError(f"expected a plan of format {FORMAT}, got {document.get('format')!r}")
    return convert(_StoredPlan, {k: v for k, v in document.items() if k != "format"}).plan()
