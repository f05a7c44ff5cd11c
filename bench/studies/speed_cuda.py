"""Speed and memory of the one-pass scores on a GPU: against a plain step, vmap(grad) and losses."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ..tables.table import Table
from ..workloads.devices import device_named
from ._score_ways import NETWORKS, TIMED_LAYERS, TIMED_LOSSES, ScoringCase

IMAGES = {"ResNet-18, 224x224": 64, "fashion-resnet18": 256}


def study(quick: bool) -> Iterator[Table]:
    """Time by network, layout and precision, and peak memory; needs CUDA."""
    device = device_named("cuda")
    settings = [
        (network, layout, tf32)
        for network in NETWORKS
        for layout in ("NCHW", "NHWC")
        for tf32 in ((True,) if quick else (False, True))
    ]
    rows = [_row(device, *setting, 3 if quick else 9) for setting in settings]
    name = torch.cuda.get_device_name(device)
    yield Table(
        f"Scores of all layers at 2, 3, 4, 5, 6 and 8 bits on {name}: time, as a multiple",
        (
            "network",
            "layout",
            "products in",
            "images",
            "plain, ms",
            "scores / plain",
            "to outputs / plain",
            "vmap / scores",
            "vmap, all kept / scores",
            "losses / scores",
            "plain MB",
            "scores MB",
            "vmap MB",
        ),
        rows,
        notes=(
            f"torch {torch.__version__}; {name}. Medians of the ratios of interleaved repeats, the "
            "device synchronized before and after each.",
            "plain: forward and backward over the batch, evaluation mode, all weight gradients; to "
            "outputs: without weight gradients, which all scores need.",
            "vmap: torch.func vmap(grad), contraction inside, at its fastest chunk_size (in "
            "parentheses); all kept: of the whole batch as documented, then a product per layer; - "
            "where the memory does not do.",
            "losses: a forward for every (layer, bits), counted up from the time of "
            f"{TIMED_LOSSES}. MB: torch.cuda.max_memory_allocated above what was "
            "held before the pass.",
        ),
        text_columns=3,
    )


def _row(device: torch.device, network: str, layout: str, tf32: bool, repeats: int) -> list[str]:
    images = IMAGES[network]
    case = ScoringCase(network, images, layout, device)
    case.prepare()
    case.perturb()
    with _precision(tf32):
        chunk = case.fastest_chunk(lambda run: min(_seconds(run) for _ in range(3)), least=4)
        methods: dict[str, Callable[[], Any]] = {
            "plain": case.plain,
            "outputs": case.to_outputs,
            "scores": case.scores,
            "vmap": partial(case.per_sample_gradients, chunk),
            "kept": case.kept_gradients,
        }
        usable = {name: run for name, run in methods.items() if _seconds(run) < math.inf}
        rows = [{name: _seconds(run) for name, run in usable.items()} for _ in range(repeats)]
        peaks = {name: _peak(run) for name, run in usable.items()}
        losses = case.all_losses(_seconds(partial(case.measured, TIMED_LAYERS, False)))

    def ratio(over: str, under: str) -> str:
        if over not in usable:
            return "-"
        return f"{statistics.median(row[over] / row[under] for row in rows):.2f}"

    return [
        network,
        layout,
        "TF32" if tf32 else "float32",
        f"{images}",
        f"{1e3 * statistics.median(row['plain'] for row in rows):.1f}",
        ratio("scores", "plain"),
        ratio("outputs", "plain"),
        f"{ratio('vmap', 'scores')} ({chunk})",
        ratio("kept", "scores"),
        f"{losses / statistics.median(row['scores'] for row in rows):.1f}",
        *(f"{peaks[name]:.0f}" if name in peaks else "-" for name in ("plain", "scores", "vmap")),
    ]


def _seconds(run: Callable[[], Any]) -> float:
    """Of one run; inf where the memory does not do."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    try:
        run()
    except torch.cuda.OutOfMemoryError:
        return math.inf
    torch.cuda.synchronize()
    return time.perf_counter() - began


def _peak(run: Callable[[], Any]) -> float:
    """MB that a run allocates above what is held before it."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


@contextmanager
def _precision(tf32: bool) -> Iterator[None]:
    """Whether convolutions and matrix products may round their operands to TF32."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before
