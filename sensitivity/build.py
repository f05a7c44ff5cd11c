"""Compute a sensitivity table from a network and data."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bitknap.problems.errors import CoverageWarning

from .metrics import METRICS
from .metrics.context import Metric, Progress
from .policy.layer_policy import LayerPolicy
from .policy.patterns import matching
from .prepare import NetworkData, prepare
from .quantization.activations import ActivationQuantizer
from .quantization.choices import Choice
from .quantization.quantizers import Quantizer
from .resume.checkpoint import Checkpoint
from .table.table import SensitivityTable
from .tracing.batches import Batch, Forward, LossFn

COVERED = 0.99
"""Share of the weights below which a table's coverage is warned about."""


def sensitivity_table(  # noqa: PLR0913, public keywords
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    metrics: str | Metric | Sequence[str | Metric] = ("fisher",),
    bits: Choice | Sequence[Choice] = (2, 3, 4, 5, 6, 8),
    loss_fn: LossFn | nn.Module | None = None,
    forward: Forward | None = None,
    quantizer: Quantizer | None = None,
    activations: ActivationQuantizer | None = None,
    exclude: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
    provenance: Mapping[str, Any] | None = None,
    chunk: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> SensitivityTable:
    """Predicted loss increase of every (layer, bit-width) of a network, by each metric.

    A layer is a weight of two or more dimensions that the forward pass uses on any batch, in
    any way. The table's ``coverage`` names what is left out. The network is unchanged
    afterwards: flags, mode and weights are as before.

    Args:
        model: in evaluation mode.
        batches: calibration data, read once and kept; moved to the GPU that the network is on.
            ``(inputs, labels)`` pairs, or mappings whose keys ``model.forward`` takes.
        metrics: names of metrics, see ``METRICS.names()``, or metrics with other parameters,
            e.g. ``dataclasses.replace(METRICS.load("hawq_v2"), draws=200)``.
        bits: candidates for every layer, from few bits to many: ``ternary``, 2..16, ``float``.
        loss_fn: ``loss_fn(output, batch)`` -> (N,) losses, or a loss module of PyTorch with
            ``reduction='none'``, which is given outputs and labels. Default: cross-entropy with
            the labels batch[1] or batch["labels"] (class indices; -100 counts for nothing),
            which metrics that need no loss can do without.
        forward: ``forward(model, batch)`` -> output; default ``model(batch[0])``, or
            ``model(**batch)`` of a mapping.
        quantizer: default symmetric, per channel, least squared error.
        activations: candidates for what every layer reads; an item is then a pair of choices,
            labelled such as ``w4a8``. By default inputs stay in float.
        exclude: patterns of layers that stay in float, see `LayerPolicy`.
        seed: of the metrics that draw numbers.
        progress: called with (what, done, total).
        provenance: more facts to record, e.g. the workload's name.
        chunk: most samples at once, which bounds the memory; batches with more are cut where all
            their tensors run over samples. By default batches are used as they are.
        checkpoint: keeps finished chunks of work, so that a stopped run can resume, and shares
            them between processes.

    Raises:
        DataError: no data, unfit bit-widths, non-finite weights or losses, an exception in the
            model's forward pass or in ``loss_fn``.
        UnsupportedError: the model trains, the loss is not per sample, the default loss does not
            fit output and labels, no layer was found, the loss does not reach a layer, a metric
            that knows no activations is asked for pairs.

    Warns:
        CoverageWarning: the table covers less than 99 % of the weights, `exclude` apart.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> table = sensitivity_table(net, [(torch.ones(1, 4), torch.tensor([0]))])
        >>> table.layers[0].name, table.choices
        ('1', ('2', '3', '4', '5', '6', '8'))
    """
    chosen = chosen_metrics(metrics)
    # Tensors made under inference_mode have no gradients, even if the caller is in that mode.
    with torch.inference_mode(False):
        given = NetworkData(
            model,
            batches,
            bits,
            loss_fn,
            forward,
            quantizer,
            activations,
            seed,
            progress,
            provenance,
            chunk,
        )
        prepared = prepare(given, chosen)
        names = [layer.info.name for layer in prepared.context.layers]
        excluded = {name for pattern in exclude for name in matching(pattern, names)}
        table = prepared.table(chosen, checkpoint, excluded)
    warn_of_coverage(table)
    return LayerPolicy(exclude=tuple(exclude)).apply(table)


def warn_of_coverage(table: SensitivityTable) -> None:
    """Warn where a table leaves out more than 1 % of the weights."""
    coverage = table.coverage
    if coverage.share < COVERED:
        warnings.warn(str(coverage), CoverageWarning, stacklevel=3)


def chosen_metrics(metrics: str | Metric | Sequence[str | Metric]) -> Collection[Metric]:
    """The metrics of names or objects, each name once."""
    several = (
        metrics if isinstance(metrics, Sequence) and not isinstance(metrics, str) else [metrics]
    )
    found = [METRICS.load(metric) if isinstance(metric, str) else metric for metric in several]
    return {metric.name: metric for metric in found}.values()
