"""Trace a network on its data once, for all metrics that are computed afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

from .checks import refuse_unready, refuse_unsteady
from .facts import behaviour, table_provenance
from .metrics import require_activations
from .metrics.context import Context, Metric, MetricResult, Progress
from .quantization.activations import ActivationQuantizer
from .quantization.choices import FLOAT_BITS, Choice, label_of, operand_bits, require_choices
from .quantization.formats import format_of
from .quantization.grids import ActivationGrids, Grid
from .quantization.quantizers import Quantizer
from .resume.checkpoint import Checkpoint
from .resume.meter import Meter
from .table.provenance import describe_function, hash_architecture
from .table.table import SensitivityTable
from .tracing.batches import (
    Batch,
    Forward,
    LossFn,
    default_forward,
    device_of,
    per_sample,
    read_batches,
    split,
    take,
)
from .tracing.calls import guarded
from .tracing.capture import frozen
from .tracing.discovery import find_hidden, in_order, layers_of
from .tracing.folding import folded
from .tracing.gradients import differentiable, one_each, refuse_other_values
from .tracing.inputs import tapped_run
from .tracing.losses import confidence_loss, cross_entropy, module_loss
from .tracing.proof import provable
from .tracing.tracer import BatchTrace, Objective, Tracer

PERTURBATIONS = "perturbations"
"""The row of a table's costs that is not a metric: finding the quantized weights."""


BESIDE = 8
"""Samples that run beside each other to see whether a batch may be cut."""


@dataclass(eq=False)
class PreparedNetwork:
    """A traced network, from which tables of metrics are computed."""

    model: nn.Module
    context: Context
    facts: dict[str, Any]
    activations: ActivationQuantizer | None
    _cost: dict[str, float] = field(default_factory=dict)

    def table(
        self,
        metrics: Collection[Metric] = (),
        checkpoint: Checkpoint | None = None,
        excluded: Collection[str] = (),
    ) -> SensitivityTable:
        """The table of some metrics; without any it holds layers, sizes and provenance.

        Args:
            metrics: those that share passes are best computed together.
            excluded: layers that are left out afterwards, so that nothing is asked of them.

        Raises:
            UnsupportedError: a metric is 0 for every choice of a layer, or cannot be computed.
        """
        context = self.context
        context.metrics, context.checkpoint = tuple(metrics), checkpoint or Checkpoint()
        context.excluded = excluded
        results: dict[str, MetricResult] = {}
        costs: dict[str, dict[str, float]] = {}
        with torch.inference_mode(False), frozen(self.model):
            if metrics:
                context.checkpoint.open(self.facts)
                self._perturb()
                costs[PERTURBATIONS] = dict(self._cost)
            for metric in metrics:
                if context.fast is None and getattr(metric, "gradients", True):
                    self._prove()
                context.checkpoint.begin(metric.name, Meter(device_of(self.model)))
                result = results[metric.name] = metric.compute(context)
                costs[metric.name] = {**context.checkpoint.cost(), "passes": float(result.passes)}
                self._refuse_unreached(metric, result)
        scored = {name: r.scores for name, r in results.items() if r.scores is not None}
        statistics = {metric.name: metric.statistic for metric in metrics}
        return SensitivityTable(
            layers=tuple(layer.info for layer in context.layers),
            offsets=np.arange(len(context.layers) + 1, dtype=np.int64) * context.width,
            **_items(context, self.activations),
            omega={name: result.omega for name, result in results.items()},
            scores=scored,
            statistics={name: statistics[name] for name in scored},
            metric_cost=costs,
            errors={n: r.error for n, r in results.items() if r.error is not None},
            interactions={
                n: r.interactions for n, r in results.items() if r.interactions is not None
            },
            provenance=self.facts,
        )

    def _perturb(self) -> None:
        """Quantize all weights at all bit-widths; measured once."""
        if not self._cost:
            meter = Meter(device_of(self.model))
            for index in range(len(self.context.layers)):
                self.context.delta(index)
            self._cost = {**meter.so_far(), "passes": 0.0}

    def _prove(self) -> None:
        context = self.context
        context.progress("checking the scores", 0, 1)
        context.fast = provable([layer.weight for layer in context.layers], context)

    def _refuse_unreached(self, metric: Metric, result: MetricResult) -> None:
        """Refuse layers whose every choice changes weights but, by the metric, nothing else."""
        context = self.context
        zero = [
            layer.info.name
            for index, layer in enumerate(context.layers)
            if layer.info.name not in context.excluded
            and not result.omega[context.columns(index)].any()
            and (context.grids or bool(context.delta(index).any()))
        ]
        if zero:
            shown = ", ".join(zero[:3]) + (f" and {len(zero) - 3} more" if len(zero) > 3 else "")
            raise UnsupportedError(
                f"the metric {metric.name} is 0 for every choice of {shown}: the loss does not "
                "depend on it (code under no_grad or detach, re-entrant checkpointing, or an "
                "output that the loss leaves out); pass a loss_fn that uses all outputs, or leave "
                f"it in float with exclude=[{zero[0]!r}]"
            )


@dataclass(frozen=True)
class NetworkData:
    """A network with its calibration data, and how tables are computed from them.

    Args:
        model, batches, bits, loss_fn, forward, quantizer, activations, seed, progress, provenance,
            chunk: as for `bitknap.sensitivity.sensitivity_table`.
    """

    model: nn.Module
    batches: Iterable[Batch]
    bits: Choice | Sequence[Choice]
    loss_fn: LossFn | nn.Module | None = None
    forward: Forward | None = None
    quantizer: Quantizer | None = None
    activations: ActivationQuantizer | None = None
    seed: int = 0
    progress: Progress | None = None
    provenance: Mapping[str, Any] | None = None
    chunk: int | None = None


def prepare(given: NetworkData, metrics: Collection[Metric]) -> PreparedNetwork:
    """Run the network on all batches once and find its layers."""
    model, activations, seed = given.model, given.activations, given.seed
    widths = require_choices((given.bits,) if isinstance(given.bits, int | str) else given.bits)
    if activations is not None:
        require_activations(metrics)
    for stored in filter(None, map(format_of, widths)):
        stored.require()
    refuse_unready(model)
    network = folded(model)
    data = read_batches(given.batches, device_of(model))
    run = guarded("the model's forward pass", given.forward or default_forward)
    labelled = any(metric.uses_loss for metric in metrics)
    loss = _loss(given.loss_fn, labelled)
    say: Progress = given.progress or (lambda what, done, total: None)

    def objective(piece: Batch) -> tuple[Any, Tensor]:
        output = run(network, piece)
        return output, per_sample(loss(output, piece))

    pieces = split(data, given.chunk)
    with frozen(network):
        tracer = Tracer(network, objective, model)
        traces, outputs = [], None
        for number, piece in enumerate(pieces):
            say("tracing", number, len(pieces))
            trace, output = tracer.run(piece)
            traces.append(trace)
            outputs = output if number == 0 else outputs
        with torch.no_grad():
            _, again = objective(pieces[0])
        refuse_unsteady(traces, again)
        if network is not model:
            _refuse_original(model, objective, pieces[0])
        if len(pieces) > len(data):
            _refuse_wrong_cut(objective, data, given.chunk, traces)
        find_hidden(tracer, pieces, traces)
        layers, ignored = layers_of(tracer, traces)
        quantizer = given.quantizer or Quantizer()
        context = Context(network, layers, pieces, run, loss, widths, quantizer, seed)
        context.traces, context.progress = traces, say
        context.reuse = in_order(layers, traces)
        with differentiable([layer.weight for layer in layers]):
            context.loss_reads_weights = loss(outputs, pieces[0]).requires_grad
        facts = {
            **table_provenance(model, data, widths, quantizer, seed, activations),
            "architecture": hash_architecture(model),
            "behaviour": behaviour(outputs, traces[0].samples),
            "loss": "default" if given.loss_fn is None else describe_function(given.loss_fn),
            "forward": "default" if given.forward is None else describe_function(given.forward),
            **({"chunk": given.chunk} if len(pieces) > len(data) else {}),
            "weights": sum(p.numel() for p in network.parameters() if p.dim() > 1),
            "ignored": ignored,
            **(given.provenance or {}),
        }
        if activations is not None:
            weights = [layer.weight for layer in layers]
            run = partial(tapped_run, weights, context.forwards)
            context.grids = activations.calibrate(weights, run)
    return PreparedNetwork(network, context, facts, activations)


def _loss(loss_fn: LossFn | nn.Module | None, labelled: bool) -> LossFn:
    if loss_fn is None:
        return cross_entropy if labelled else confidence_loss
    if isinstance(loss_fn, nn.Module) and hasattr(loss_fn, "reduction"):
        return module_loss(loss_fn)
    if not callable(loss_fn):
        raise DataError(
            f"loss_fn must be a function of (output, batch), got {type(loss_fn).__name__}"
        )
    return guarded("loss_fn", loss_fn)


def _refuse_original(model: nn.Module, objective: Objective, piece: Batch) -> None:
    """Refuse functions that run the given model where a copy with plain weights should run."""
    with (
        frozen(model),
        differentiable([p for p in model.parameters() if p.is_floating_point() and p.is_leaf]),
    ):
        _, losses = objective(piece)
    if losses.requires_grad:
        raise UnsupportedError(
            "forward or loss_fn runs the model itself, and not the one that it is given, a copy in "
            "which parametrized weights are plain; use its arguments alone"
        )


def _refuse_wrong_cut(
    objective: Objective, data: Sequence[Batch], chunk: int | None, traces: Sequence[BatchTrace]
) -> None:
    """Refuse batches that were cut along something other than samples, or whose samples mix.

    Of a batch that was cut, samples from end to end run beside their neighbours, as many as a chunk
    has but two at least, and the first alone.
    """
    number = 0
    for batch in data:
        count = len(split([batch], chunk))
        if count > 1:
            traced = traces[number : number + count]
            losses, eps = torch.cat([t.losses for t in traced]), max(t.eps for t in traced)
            last, beside = len(losses) - 1, max(2, chunk or 0)
            spread = [last * n // (BESIDE - 1) for n in range(BESIDE)]
            starts = range(0, BESIDE - 1, beside - 1)
            for rows in ([0], *(sorted({*spread[n : n + beside]}) for n in starts)):
                with torch.no_grad():
                    _, found = objective(take(batch, rows))
                refuse_other_values(one_each(found, len(rows)), losses, rows, eps)
            return
        number += count


def _items(context: Context, activations: ActivationQuantizer | None) -> dict[str, Any]:
    """Labels, bits, costs and activation grids of all items, layer by layer.

    Weight choices run slowest, each with every activation choice.
    """
    plain = (None,) if activations is None else activations.bits
    labels, bits, sizes, bops = [], [], [], []
    grids: list[Grid] = []
    for index, layer in enumerate(context.layers):
        info = layer.info
        layer_grids = context.grids[index] if context.grids else (Grid(FLOAT_BITS),)
        for choice in context.bits:
            size = context.quantizer.size_bits(info.shape, choice, dim=info.channel_dim)
            for activation, grid in zip(plain, layer_grids, strict=True):
                labels.append(label_of(choice, activation))
                bits.append(operand_bits(choice))
                sizes.append(size + (activations.overhead_bits(grid) if activations else 0))
                bops.append(info.macs * bits[-1] * grid.bits)
                grids.append(grid)
    return {
        "labels": tuple(labels),
        "bits": np.array(bits, dtype=np.int64),
        "costs": {
            "size_bits": np.array(sizes, dtype=np.int64),
            "bops": np.array(bops, dtype=np.int64),
        },
        "activations": None if activations is None else ActivationGrids.of(grids),
    }
