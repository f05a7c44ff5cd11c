"""Compute a sensitivity table from a network and data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from bitknap.problems.errors import DataError

from .batches import Batch, confidence_loss, cross_entropy, default_forward, per_sample
from .capture import frozen
from .checks import refuse_training, refuse_unfit
from .choices import Choice, operand_bits, require_choices
from .context import Context, Forward, LossFn, Metric, MetricResult, Progress
from .layers import Discovery, discover_layers
from .metrics import METRICS
from .provenance import hash_data, hash_model, versions
from .quantizers import Quantizer
from .table import SensitivityTable

ACTIVATION_BITS = 32
"""Activations stay in float32, so a layer's BOPs are MACs * weight bits * 32."""


def sensitivity_table(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    metrics: Sequence[str | Metric] = ("fisher",),
    bits: Sequence[Choice] = (2, 3, 4, 5, 6, 8),
    loss_fn: LossFn | None = None,
    forward: Forward | None = None,
    quantizer: Quantizer | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> SensitivityTable:
    """Predicted loss increase of every (layer, bit-width) of a network, by each metric.

    The network is neither edited nor left changed: flags, mode and weights are as before.

    Args:
        model: in evaluation mode.
        batches: calibration data, read once and kept.
        metrics: names of metrics, see ``METRICS.names()``, or metrics with other parameters,
            e.g. ``dataclasses.replace(METRICS.load("hawq_v2"), draws=200)``.
        bits: candidates for every layer, from few bits to many: ``ternary``, 2..16, ``float``.
        loss_fn: ``loss_fn(output, batch)`` -> (N,) losses; default cross-entropy with the labels
            batch[1] or batch["labels"], which metrics that need no loss can do without.
        forward: ``forward(model, batch)`` -> output; default ``model(batch[0])``.
        quantizer: default symmetric, per channel, least squared error.
        seed: of the metrics that draw numbers.
        progress: called with (what, done, total).
        provenance: more facts to record, e.g. the workload's name.

    Raises:
        DataError: no data, unfit bit-widths, non-finite weights or losses.
        UnsupportedError: the model trains, the loss is not per sample, no layer was found.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> table = sensitivity_table(net, [(torch.ones(1, 4), torch.tensor([0]))])
        >>> table.layers[0].name, table.labels
        ('1', ('2', '3', '4', '5', '6', '8'))
    """
    chosen = _chosen(metrics)
    widths = require_choices(bits)
    quantizer = quantizer or Quantizer()
    data = list(batches)
    refuse_training(model)
    if not data:
        raise DataError("there are no calibration batches; at least one is needed")
    run = forward or default_forward
    needs_labels = any(metric.uses_loss for metric in chosen.values())
    loss = loss_fn or (cross_entropy if needs_labels else confidence_loss)
    with frozen(model):
        found = discover_layers(model, lambda: per_sample(loss(run(model, data[0]), data[0])))
        context = Context(model, found.layers, data, run, loss, widths, quantizer, seed)
        context.metrics = tuple(chosen.values())
        if progress is not None:
            context.progress = progress
        refuse_unfit(context)
        results: dict[str, MetricResult] = {}
        times: dict[str, dict[str, float]] = {}
        for name, metric in chosen.items():
            wall, cpu = time.perf_counter(), time.process_time()
            results[name] = metric.compute(context)
            times[name] = {
                "seconds": time.perf_counter() - wall,
                "cpu_seconds": time.process_time() - cpu,
            }
    scores = {name: result.scores for name, result in results.items() if result.scores is not None}
    sizes, bops = _costs(found, widths, quantizer)
    return SensitivityTable(
        layers=tuple(layer.info for layer in found.layers),
        offsets=np.arange(len(found.layers) + 1, dtype=np.int64) * len(widths),
        labels=tuple(str(b) for _ in found.layers for b in widths),
        bits=np.array([operand_bits(b) for _ in found.layers for b in widths], dtype=np.int64),
        costs={"size_bits": sizes, "bops": bops},
        omega={name: result.omega for name, result in results.items()},
        scores=scores,
        statistics={name: chosen[name].statistic for name in scores},
        metric_cost={
            name: {**times[name], "passes": float(result.passes)}
            for name, result in results.items()
        },
        errors={n: result.error for n, result in results.items() if result.error is not None},
        interactions={
            name: result.interactions
            for name, result in results.items()
            if result.interactions is not None
        },
        provenance={
            **table_provenance(model, data, widths, quantizer, seed),
            "ignored": found.ignored,
            **(provenance or {}),
        },
    )


def table_provenance(
    model: nn.Module,
    batches: Sequence[Batch],
    bits: Sequence[Choice],
    quantizer: Quantizer,
    seed: int,
) -> dict[str, Any]:
    """What a table depends on, for recording it and for telling whether a stored one is stale."""
    return {
        "model": hash_model(model),
        "data": hash_data(batches),
        "bits": list(bits),
        "quantizer": quantizer.describe(),
        "activation_bits": ACTIVATION_BITS,
        "seed": seed,
        "versions": versions(),
    }


def _chosen(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    found = [METRICS.load(metric) if isinstance(metric, str) else metric for metric in metrics]
    return {metric.name: metric for metric in found}


def _costs(
    found: Discovery, widths: Sequence[Choice], quantizer: Quantizer
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    infos = [layer.info for layer in found.layers]
    sizes = [quantizer.size_bits(i.shape, b, dim=i.channel_dim) for i in infos for b in widths]
    bops = [i.macs * operand_bits(b) * ACTIVATION_BITS for i in infos for b in widths]
    return np.array(sizes, dtype=np.int64), np.array(bops, dtype=np.int64)
