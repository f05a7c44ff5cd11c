"""Estimate, from one timed batch, what a study will take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.tracing.batches import per_sample

from ..job.table_cache import traced
from ..tables.table import Table
from ..workloads.base import Workload
from .pace import duration
from .plans import ORDERS, methods_of
from .scale import BITS, Scale

HAWQ_DRAWS = 50
REPAIR_PASSES = 3
"""Forward passes over the calibration images: moments of inputs, statistics, outputs."""
TIMED = 32
"""Samples of the batch that is timed."""


def estimate(name: str, workload: Workload, scale: Scale, test: int) -> Table:
    """Time and disk space, as if all plans differed.

    One batch is read and run on this machine; the rest is counting.
    """
    start = time.perf_counter()
    batches = workload.calibration(TIMED, 0)
    reading = (time.perf_counter() - start) / TIMED
    table = traced(workload, batches, BITS, 0).table()
    forward = _seconds(workload, batches) / TIMED
    steps = list(_steps(name, workload, scale, test, len(table.layers), forward, reading))
    rows = [[what, f"{count:,.0f}", duration(seconds)] for what, count, seconds in steps]
    rows.append(["together", "", duration(sum(seconds for _, _, seconds in steps))])
    disk = _disk(table, workload, scale)
    return Table(
        f"{name}: what this will take, about",
        ("step", "images passed", "time"),
        rows,
        notes=(
            f"By one batch of {TIMED} images: {1000 * reading:.1f} ms to read an image, "
            f"{1000 * forward:.2f} ms to run it forward; backward counted as two forwards, a "
            "Hessian-vector product as four (depthwise convolutions may take several times that on "
            "a CPU). Measured loss and KL share their passes.",
            f"Disk: {disk / 1e6:,.0f} MB. Finished work is kept; the same command resumes.",
        ),
    )


def _steps(
    name: str,
    workload: Workload,
    scale: Scale,
    test: int,
    layers: int,
    forward: float,
    reading: float,
) -> Iterator[tuple[str, float, float]]:
    """Step, images that pass through the network, seconds."""
    seeds = len(scale.seeds)
    forwards = {
        "loss": layers * len(BITS) + 1,
        "kl": 0 if "loss" in scale.samples else layers * len(BITS) + 1,
        "hawq_v2": 3 + 4 * HAWQ_DRAWS * layers,
        "output_fisher": 3 + len(BITS),
        "weight_mse": 0,
    }
    for metric, samples in scale.samples.items():
        passed = samples * seeds * forwards.get(metric, 4)
        yield f"metric {metric}", passed, passed * forward + samples * seeds * reading
    compared = len(methods_of(scale)) * seeds * len(scale.rates[name])
    plans = compared + len(ORDERS) * seeds * len(scale.rates[name]) + 1
    yield "evaluating plans", plans * test, plans * test * max(forward, reading)
    passed = compared * (test + REPAIR_PASSES * scale.samples["fisher"])
    yield "repairing and evaluating plans", passed, passed * max(forward, reading)
    tunings = len(methods_of(scale)) * seeds * len(scale.tuned[name])
    if tunings:
        assert workload.training is not None
        epoch = workload.training(0)
        batch = len(next(iter(epoch))[1])
        batches = min(len(epoch), scale.tuning.batches or len(epoch))
        passed = tunings * scale.tuning.epochs * batches * batch
        seconds = passed * max(3 * forward, reading) + tunings * test * max(forward, reading)
        yield "fine-tuning plans", passed, seconds
    searched = scale.search * scale.search_samples
    yield "evolutionary search", searched, searched * forward


def _seconds(workload: Workload, batches: Sequence[Any]) -> float:
    """Of one forward pass over the batches, the second of two."""
    for _ in range(2):
        start = time.perf_counter()
        with torch.no_grad():
            for batch in batches:
                losses = per_sample(workload.loss(workload.forward(workload.model, batch), batch))
                losses.sum().item()
        seconds = time.perf_counter() - start
    return seconds


def _disk(table: SensitivityTable, workload: Workload, scale: Scale) -> float:
    """Bytes: scores of every draw, and the state of one fine-tuning under way."""
    items = len(table.layers) * len(BITS)
    scores = sum(scale.samples.values()) * items * 4 * len(scale.seeds)
    state = 8 * sum(value.numel() for value in workload.model.state_dict().values())
    return float(scores + state + 5_000_000)
