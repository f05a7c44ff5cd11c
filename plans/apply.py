"""Apply a plan: a copy of the network with its choices, repaired where data are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity import Quantizer, SensitivityTable, quantized_copy
from bitknap.sensitivity.apply import refuse_other_weights
from bitknap.sensitivity.checks import refuse_training
from bitknap.sensitivity.tracing.batches import (
    Batch,
    Forward,
    default_forward,
    device_of,
    read_batches,
)
from bitknap.sensitivity.tracing.capture import without_fused_attention
from bitknap.sensitivity.tracing.folding import folded
from bitknap.sensitivity.tracing.inputs import QuantizeInputs

from .kept import Kept
from .repair.base import Quantized, repairs_named


class ChosenLabels(Protocol):
    """What is needed of a `bitknap.solvers.Solution`."""

    @property
    def labels(self) -> Mapping[str, str] | None:
        """Layer -> label, or None without a choice."""


Plan = Mapping[str, int | str] | ChosenLabels


def apply_plan(
    model: nn.Module,
    table: SensitivityTable,
    plan: Plan,
    quantizer: Quantizer | None = None,
    *,
    calibration: Iterable[Batch] | None = None,
    repair: str = "auto",
    forward: Forward | None = None,
) -> nn.Module:
    """A copy of the model with a plan's weights and, where the plan has any, activations.

    Weights are quantized as the table's were. Inputs are quantized where the network calls a
    function with one of the weights; its code and its class stay as they are. Calls that bypass
    the copy's ``forward`` see quantized weights and float inputs.

    Given calibration data the copy is repaired, at no cost in size: weights are rounded by the
    second moments of what they read (symmetric quantizers), in networks without batch norm layer
    by layer to the float network's outputs, batch-norm statistics corrected, and biases of layers
    that lead into no batch norm corrected.

    Args:
        model: the float network of the table, in evaluation mode where there are calibration data;
            not changed.
        table: gives the layers, the quantizer and the calibrated grids.
        plan: layer name -> label, for every layer of the table; or a solution of its instance.
        quantizer: an equal one, e.g. with a cache; by default the table's.
        calibration: batches, such as those that the table was computed from.
        repair: ``auto`` (``rounding,sequential,batch_norm,bias``), ``none``, or names of
            ``plans/repair`` with commas, done in that order.
        forward: ``forward(model, batch)``, as for the table.

    Raises:
        DataError: the plan does not fit the table, the network has other weights than the
            table's, the quantizer is another one, repairs are named without calibration data, or
            leave values that are not finite.
        UnsupportedError: there is no such repair, it cannot be done here, or the network is in
            training mode.
    """
    made = Applier(model, table, quantizer, calibration, forward)
    return made(plan, repair)


class Applier:
    """Applies plans of one table to one network; arguments of `apply_plan`.

    What repairs need of the float network is computed once for all plans.
    """

    def __init__(
        self,
        model: nn.Module,
        table: SensitivityTable,
        quantizer: Quantizer | None = None,
        calibration: Iterable[Batch] | None = None,
        forward: Forward | None = None,
    ) -> None:
        described = table.provenance.get("quantizer")
        if quantizer is None:
            quantizer = Quantizer() if described is None else Quantizer.described(described)
        elif described is not None and quantizer.describe() != described:
            raise DataError(
                f"the table was made with another quantizer, {described}; leave quantizer= out"
            )
        refuse_other_weights(model, table)
        if calibration is not None:
            refuse_training(model)
        self.model, self.table, self.quantizer = model, table, quantizer
        self.forward = forward or default_forward
        self.calibration = (
            None if calibration is None else read_batches(calibration, device_of(model))
        )
        self._plain = folded(model)
        self._quantized = Kept()
        self._found: dict[str, Any] = {}

    def __call__(self, plan: Plan, repair: str = "auto") -> nn.Module:
        """A copy of the model with the plan's choices, repaired; see `apply_plan`."""
        choices = choices_of(plan)
        positions = self.table.positions(choices)
        repairs = repairs_named(repair, self.quantizer)
        if self.calibration is None and repair not in ("auto", "none"):
            raise DataError(
                f"repair={repair!r} needs calibration data; pass calibration=[batch, ...]"
            )
        quantized = quantized_copy(
            self.model, self.table.layers, choices, self.quantizer, self._quantized
        )
        quantized.eval()
        quantize_inputs(quantized, self.table, positions.tolist())
        if self.calibration is not None:
            given = Quantized(
                quantized,
                self._plain,
                self.table.layers,
                {name: str(label) for name, label in choices.items()},
                self.quantizer,
                self.calibration,
                self.forward,
                self._found,
            )
            for one in repairs:
                one(given)
            _require_finite(quantized, self._plain)
        return quantized


def _require_finite(repaired: nn.Module, model: nn.Module) -> None:
    """Refuse a network that repairs left with values that its model does not have."""
    before = dict(_values(model))
    for name, value in _values(repaired):
        if not bool(value.isfinite().all()) and bool(before[name].isfinite().all()):
            raise DataError(
                f"repairing leaves NaN or infinite entries in {name}; "
                "calibrate with other samples, or apply the plan with repair='none'"
            )


def _values(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def choices_of(plan: Plan) -> Mapping[str, int | str]:
    """Layer -> choice of a plan or a solution.

    Raises:
        DataError: it is neither, or a solution without a choice.
    """
    if isinstance(plan, Mapping):
        return plan
    labels = getattr(plan, "labels", None)
    if labels is None:
        status = getattr(plan, "status", None)
        got = type(plan).__name__ if status is None else f"a solution without a choice ({status})"
        raise DataError(f"a plan must be a mapping of layer -> bits or a Solution, got {got}")
    return dict(labels)


def quantize_inputs(
    quantized: nn.Module, table: SensitivityTable, positions: Sequence[int]
) -> None:
    """Make the network's ``forward`` quantize what its layers read, as the items say."""
    if table.activations is None:
        return
    grids = {}
    for layer, item in zip(table.layers, positions, strict=True):
        grid = table.activations.at(item)
        if grid.scale:
            weight = quantized.get_parameter(layer.parameter)
            grids[id(weight)] = (weight, grid)
    plain = quantized.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with without_fused_attention(), QuantizeInputs(grids):
            return plain(*args, **kwargs)

    object.__setattr__(quantized, "forward", forward)
