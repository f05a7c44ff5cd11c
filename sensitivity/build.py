"""Compute a sensitivity table from a network and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from bitknap.problems.errors import DataError

from .activations import ActivationQuantizer
from .batches import (
    Batch,
    confidence_loss,
    cross_entropy,
    default_forward,
    device_of,
    per_sample,
    placed,
    split,
)
from .capture import frozen
from .checkpoint import Checkpoint
from .checks import refuse_training, refuse_unfit
from .choices import FLOAT_BITS, Choice, label_of, operand_bits, require_choices
from .context import Context, Forward, LossFn, Metric, MetricResult, Progress
from .grids import ActivationGrids, Grid
from .layers import discover_layers
from .meter import Meter
from .metrics import METRICS, require_activations
from .provenance import describe_function, hash_architecture, hash_data, hash_model, versions
from .quantizers import Quantizer
from .table import SensitivityTable


def sensitivity_table(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    metrics: Sequence[str | Metric] = ("fisher",),
    bits: Sequence[Choice] = (2, 3, 4, 5, 6, 8),
    loss_fn: LossFn | None = None,
    forward: Forward | None = None,
    quantizer: Quantizer | None = None,
    activations: ActivationQuantizer | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    provenance: Mapping[str, Any] | None = None,
    chunk: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> SensitivityTable:
    """Predicted loss increase of every (layer, bit-width) of a network, by each metric.

    The network is neither edited nor left changed: flags, mode and weights are as before.

    Args:
        model: in evaluation mode.
        batches: calibration data, read once and kept; moved to the GPU that the network is on.
        metrics: names of metrics, see ``METRICS.names()``, or metrics with other parameters,
            e.g. ``dataclasses.replace(METRICS.load("hawq_v2"), draws=200)``.
        bits: candidates for every layer, from few bits to many: ``ternary``, 2..16, ``float``.
        loss_fn: ``loss_fn(output, batch)`` -> (N,) losses; default cross-entropy with the labels
            batch[1] or batch["labels"], which metrics that need no loss can do without.
        forward: ``forward(model, batch)`` -> output; default ``model(batch[0])``.
        quantizer: default symmetric, per channel, least squared error.
        activations: candidates for what every layer reads; an item is then a pair of choices,
            labelled such as ``w4a8``. By default inputs stay in float.
        seed: of the metrics that draw numbers.
        progress: called with (what, done, total).
        provenance: more facts to record, e.g. the workload's name.
        chunk: most samples at once, which bounds the memory; batches with more are cut where all
            their tensors run over samples. By default batches are used as they are.
        checkpoint: keeps finished chunks of work, so that a stopped run can go on, and shares
            them between processes.

    Raises:
        DataError: no data, unfit bit-widths, non-finite weights or losses.
        UnsupportedError: the model trains, the loss is not per sample, no layer was found, a
            metric that knows no activations is asked for pairs.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> table = sensitivity_table(net, [(torch.ones(1, 4), torch.tensor([0]))])
        >>> table.layers[0].name, table.labels
        ('1', ('2', '3', '4', '5', '6', '8'))
    """
    chosen = _chosen(metrics)
    widths = require_choices(bits)
    quantizer = quantizer or Quantizer()
    if activations is not None:
        require_activations(chosen.values())
    refuse_training(model)
    place = device_of(model)
    data = [batch if place.type == "cpu" else placed(batch, place) for batch in batches]
    if not data:
        raise DataError("there are no calibration batches; at least one is needed")
    run = forward or default_forward
    needs_labels = any(metric.uses_loss for metric in chosen.values())
    loss = loss_fn or (cross_entropy if needs_labels else confidence_loss)
    checkpoint = checkpoint or Checkpoint()
    with frozen(model):
        pieces = split(data, chunk)
        first = pieces[0]
        found = discover_layers(model, lambda part: per_sample(loss(run(model, part), part)), first)
        context = Context(model, found.layers, pieces, run, loss, widths, quantizer, seed)
        context.metrics, context.checkpoint = tuple(chosen.values()), checkpoint
        if progress is not None:
            context.progress = progress
        refuse_unfit(context)
        facts = {
            **table_provenance(model, data, widths, quantizer, seed, activations),
            "architecture": hash_architecture(model),
            "loss": "default" if loss_fn is None else describe_function(loss_fn),
            "forward": "default" if forward is None else describe_function(forward),
            **({"chunk": chunk} if len(pieces) > len(data) else {}),
            "ignored": found.ignored,
            **(provenance or {}),
        }
        if activations is not None:
            context.grids = activations.calibrate(
                [layer.weight for layer in found.layers], context.forwards
            )
        checkpoint.open(facts)
        results: dict[str, MetricResult] = {}
        costs: dict[str, dict[str, float]] = {}
        for name, metric in chosen.items():
            checkpoint.begin(name, Meter(found.layers[0].weight.device))
            results[name] = metric.compute(context)
            costs[name] = {**checkpoint.cost(), "passes": float(results[name].passes)}
    scores = {name: result.scores for name, result in results.items() if result.scores is not None}
    return SensitivityTable(
        layers=tuple(layer.info for layer in found.layers),
        offsets=np.arange(len(found.layers) + 1, dtype=np.int64) * context.width,
        **_items(context, activations),
        omega={name: result.omega for name, result in results.items()},
        scores=scores,
        statistics={name: chosen[name].statistic for name in scores},
        metric_cost=costs,
        errors={n: result.error for n, result in results.items() if result.error is not None},
        interactions={
            name: result.interactions
            for name, result in results.items()
            if result.interactions is not None
        },
        provenance=facts,
    )


def table_provenance(
    model: nn.Module,
    batches: Sequence[Batch],
    bits: Sequence[Choice],
    quantizer: Quantizer,
    seed: int,
    activations: ActivationQuantizer | None = None,
) -> dict[str, Any]:
    """What a table depends on, for recording it and for telling whether a stored one is stale."""
    pairs: dict[str, Any] = {"activation_bits": FLOAT_BITS}
    if activations is not None:
        pairs = {
            "activation_bits": list(activations.bits),
            "activation_quantizer": activations.describe(),
        }
    place = device_of(model).type
    return {
        **({} if place == "cpu" else {"device": place}),
        "model": hash_model(model),
        "data": hash_data(batches),
        "bits": list(bits),
        "quantizer": quantizer.describe(),
        **pairs,
        "seed": seed,
        "versions": versions(),
    }


def _chosen(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    found = [METRICS.load(metric) if isinstance(metric, str) else metric for metric in metrics]
    return {metric.name: metric for metric in found}


def _items(context: Context, activations: ActivationQuantizer | None) -> dict[str, Any]:
    """Labels, bits, costs and activation grids of all items, layer by layer.

    Weight choices run slowest, each with every activation choice.
    """
    plain = (None,) if activations is None else activations.bits
    labels, bits, sizes, bops = [], [], [], []
    grids: list[Grid] = []
    for index, layer in enumerate(context.layers):
        info = layer.info
        own = context.grids[index] if context.grids else (Grid(FLOAT_BITS),)
        for choice in context.bits:
            size = context.quantizer.size_bits(info.shape, choice, dim=info.channel_dim)
            for activation, grid in zip(plain, own, strict=True):
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
