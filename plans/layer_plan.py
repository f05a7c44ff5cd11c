"""A plan: a choice for every layer, with what it predicts, what was measured, and its sizes."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bitknap.problems import write_atomically
from bitknap.problems.documents import load_as
from bitknap.problems.errors import DataError
from bitknap.problems.sizes import kilobytes
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.quantization.choices import FLOAT_BITS
from bitknap.solvers import Solution

from .budgets import with_unit
from .export import TARGETS
from .measured import MeasuredPlan
from .plan_file import FORMAT, Prediction, StoredPlan, plan_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from bitknap.sensitivity.tracing.batches import Batch, Forward

    from .export.base import Exported


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
            UnsupportedError: it is in training mode.
        """
        from .apply import Applier

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
        from .packed import pack

        network = self.apply(model, calibration=calibration, repair=repair)
        return pack(model, network, self.table, self.choices, self.document(), path)

    def document(self) -> dict[str, Any]:
        """The plan as JSON, format ``bitknap.plan/1``."""
        return plan_document(
            self.table, self.items.tolist(), self.budget, self.prediction, self.measured
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan; equal plans give equal bytes."""
        write_atomically(path, json.dumps(self.document(), indent=1) + "\n")

    def export(
        self,
        model: nn.Module | None,
        path: str | os.PathLike[str],
        *,
        to: str = "onnx",
        inputs: Sequence[Any] | None = None,
        calibration: Iterable[Batch] | None = None,
        repair: str = "auto",
        forward: Forward | None = None,
        like: str | os.PathLike[str] | None = None,
    ) -> Exported:
        """Write the plan, or the network with it applied, for another tool.

        Args:
            model: the float network of the plan, not changed; None for targets that write only
                the plan (``json``, ``csv``, ``gguf-types``).
            path: the file.
            to: a target of ``plans/export``.
            inputs: positional inputs of the network's ``forward``; by default those of the first
                calibration batch.
            calibration, repair, forward: as in `apply`.
            like: for ``gguf``, a GGUF file of the network, whose metadata are taken over.

        Returns:
            The bytes written and predicted.
        """
        from .export.base import TextTarget, applied

        target = TARGETS.load(to)
        if isinstance(target, TextTarget):
            return target.write(self, path)
        data = self.calibration if calibration is None else tuple(calibration)
        plan = replace(self, calibration=data, forward=forward or self.forward)
        given = replace(applied(plan, model, inputs, repair), like=like)
        written: Exported = target.write(given, path)
        return written

    @property
    def predicted_bytes(self) -> int:
        """Of the quantized weights, with their scales and zero points."""
        return -(-self.size_bits // 8)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan.

        Raises:
            DataError: the file is missing, damaged, or no plan.
        """
        stored = load_as(StoredPlan, path, (FORMAT,), remedy="make the plan again")
        try:
            return cls.of(stored)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    @classmethod
    def of(cls, stored: StoredPlan) -> Plan:
        """The plan that a file holds."""
        table, choices = stored.table(), stored.choices
        return cls(choices, table, stored.budget, stored.prediction, measured=stored.measured)

    def compare(
        self, other: Plan | str | os.PathLike[str]
    ) -> dict[str, tuple[str | None, str | None]]:
        """Layer -> choices in this plan and the other, of the layers where they differ.

        Args:
            other: a plan, or the path of its file.
        """
        other = other if isinstance(other, Plan) else Plan.load(other)
        names = dict.fromkeys([*self.choices, *other.choices])
        pairs = {name: (self.choices.get(name), other.choices.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def plot(self) -> Figure:
        """The layers in order as a strip: width is the share of weights, height the bits."""
        from .strip import draw_strip

        return draw_strip(self.table, self.items.tolist())

    def _lines(self) -> list[tuple[str, str]]:
        sizes = f"{kilobytes(self.size_bits)}, {self.compression:.1f}x smaller than float32"
        stored = self.size_bits / self.table.weights
        found = [
            ("layers", f"{len(self.table.layers)} with {self.table.weights:,} weights"),
            ("bits", f"{self.average_bits:.3f} per weight, {stored:.3f} with scales"),
            ("size", sizes),
            ("coverage", str(self.table.coverage)),
        ]
        if self.budget:
            found.insert(0, ("budget", with_unit(self.budget)))
        if self.prediction is not None:
            p = self.prediction
            spread = "" if p.error is None else f" ± {p.error:.2g}"
            text = f"{p.value:.4g}{spread} by {p.metric}"
            if p.proven and p.value == p.optimum:
                text += ", proven the least within the budget"
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
