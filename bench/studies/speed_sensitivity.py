"""Speed and memory of the one-pass scores: against a plain step, vmap(grad) and measured losses."""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bitknap.problems.memory import forget_peak, peak_bytes, status_bytes
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.metrics.fisher import METRIC as FISHER
from bitknap.sensitivity.prepare import PERTURBATIONS, NetworkData, prepare

from ..tables.table import Table
from ._score_ways import BITS, FORMATS, NETWORKS, TIMED_LAYERS, TIMED_LOSSES, ScoringCase

_PERTURBED = {"least squares": Quantizer(), "largest weight": Quantizer(scale="minmax")}
"""Scales by their rule."""

UNCOUNTED: dict[Any, Callable[..., int]] = {
    torch.ops.mkldnn._linear_pointwise: lambda a, b, *_, **__: 2 * math.prod(a) * b[0],
    torch.ops.aten.mv: lambda a, b, **_: 2 * math.prod(a),
}
"""Operations of a matrix product and a matrix times a vector, which torch's counter leaves out."""


def study(quick: bool, say: Callable[[str], None]) -> Iterator[Table]:
    """Time by threads and layout, floating-point operations, peak memory."""
    images = {"ResNet-18, 224x224": 2 if quick else 8, "fashion-resnet18": 32 if quick else 64}
    batch = {"ResNet-18, 224x224": 4 if quick else 32, "fashion-resnet18": 64}
    processes = 1 if quick else 3
    settings = [
        (network, layout, threads)
        for network in NETWORKS
        for layout in (["NCHW"] if quick else FORMATS)
        for threads in ((1,) if quick else (1, 2))
    ]
    rows = []
    for network, layout, threads in settings:
        say(f"timing {network}, {layout}, threads {threads}")
        rows.append(_times(network, layout, threads, images[network], 3 if quick else 7))
    yield Table(
        "Scores of all layers at 2, 3, 4, 5, 6 and 8 bits: time, as a multiple",
        (
            "network",
            "layout",
            "threads",
            "images",
            "plain, ms",
            "scores / plain",
            "in CPU time",
            "to outputs / plain",
            "vmap / scores",
            "vmap, all kept / scores",
            "one by one / scores",
            "losses / scores",
            "losses, prefix reused / scores",
        ),
        rows,
        notes=(
            "plain: forward and backward over the batch, evaluation mode, all weight gradients. "
            "Medians of the ratios of interleaved repeats; to outputs, vmap and one by one in "
            "processor time.",
            "to outputs: forward and backward without weight gradients, which all scores need.",
            "vmap: torch.func vmap(grad), contraction inside, at its fastest chunk_size (tried 1, "
            "2, 4, ... up to the batch). all kept: vmap(grad) of the whole batch as documented, "
            "then a product per layer. one by one: autograd on single images.",
            "losses: a forward for every (layer, bits), counted up from the time of "
            f"{TIMED_LOSSES}; prefix reused: all of them, as the metric `loss`.",
            "The perturbations, here to the largest weight's scale, are computed before the clock "
            "starts: once per table.",
        ),
        text_columns=2,
    )
    yield Table(
        "Floating-point operations, an image",
        ("network", "forward, G", "forward + backward, G", "scores, G", "scores / plain"),
        [_operations(network) for network in NETWORKS],
        notes=("torch.utils.flop_counter: 2 for a multiply-accumulate, in matrix products only.",),
    )
    yield Table(
        "Peak memory above model and data, MB",
        ("network", "images", "plain", "scores", "vmap", "scores / plain"),
        [_memory(network, batch[network], processes) for network in NETWORKS],
        notes=(
            "VmHWM of a process of its own, less the resident memory before the first pass, "
            f"median of {processes}; "
            "plain keeps the gradients; scores includes the perturbations; vmap at the chunk_size "
            "of one image.",
        ),
    )
    yield Table(
        "The perturbations of all items, computed once per table, processor seconds",
        ("network", "weights", *_PERTURBED),
        [_perturbations(network) for network in NETWORKS],
        notes=("One thread; more share the search of scales.",),
    )
    whole = 32 if quick else 256
    yield Table(
        f"A whole table with default settings, {whole} images in batches of 16, processor seconds",
        ("network", "tracing", "perturbations", "checks and scores", "all", "perturbations, %"),
        [_whole(network, whole) for network in NETWORKS],
        notes=("One thread; the default quantizer searches scales by least squares.",),
    )


@dataclass(frozen=True)
class Clock:
    """Seconds of one run: on the wall, and of all threads' processors."""

    wall: float
    cpu: float


def _clock(run: Callable[[], Any]) -> Clock:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Clock(time.perf_counter() - wall, time.process_time() - cpu)


def _times(network: str, layout: str, threads: int, images: int, repeats: int) -> list[str]:
    with _threads(threads):
        case = ScoringCase(network, images, layout)
        case.prepare()
        chunk = case.fastest_chunk(lambda run: min(_clock(run).cpu for _ in range(2)))
        methods: dict[str, Callable[[], Any]] = {
            "plain": case.plain,
            "to outputs": case.to_outputs,
            "scores": case.scores,
            "vmap": partial(case.per_sample_gradients, chunk),
            "kept": case.kept_gradients,
            "one": case.one_at_a_time,
        }
        ways = [name for name in methods if name not in ("plain", "to outputs")]
        _refuse_unequal(*(torch.as_tensor(methods[name]()) for name in ways))
        rows = [{name: _clock(run) for name, run in methods.items()} for _ in range(repeats)]
        losses = case.all_losses(_clock(partial(case.measured, TIMED_LAYERS, False)).wall)
        reused = _clock(partial(case.measured, None, True)).wall

    def ratio(over: str, under: str, clock: Callable[[Clock], float]) -> str:
        return f"{statistics.median(clock(row[over]) / clock(row[under]) for row in rows):.2f}"

    scores = statistics.median(row["scores"].wall for row in rows)
    return [
        network,
        layout,
        f"{threads}",
        f"{images}",
        f"{1e3 * statistics.median(row['plain'].wall for row in rows):.0f}",
        ratio("scores", "plain", lambda clock: clock.wall),
        ratio("scores", "plain", lambda clock: clock.cpu),
        ratio("to outputs", "plain", lambda clock: clock.cpu),
        ratio("vmap", "scores", lambda clock: clock.cpu) + f" ({chunk})",
        ratio("kept", "scores", lambda clock: clock.cpu),
        ratio("one", "scores", lambda clock: clock.cpu),
        f"{losses / scores:.1f}",
        f"{reused / scores:.1f}",
    ]


def _refuse_unequal(first: Tensor, *others: Tensor) -> None:
    """All methods must give the same scores, to float32 accuracy of the largest of a column.

    A ReLU's input within rounding of 0 falls on either side by the order of summation, which moves
    all scores of its image: one image in twenty may differ, and one in any batch.
    """
    scale = first.abs().amax(dim=0)
    for other in others:
        moved = ((first - other).abs() > 1e-3 * scale).any(dim=1)
        assert int(moved.sum()) <= max(1, len(first) // 20), "the scores disagree"


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _perturbations(network: str) -> list[str]:
    case, seconds = ScoringCase(network, 1), []
    with _threads(1):
        for quantizer in _PERTURBED.values():
            case.prepare(quantizer)
            seconds.append(_clock(case.perturb).cpu)
    weights = sum(layer.weight.numel() for layer in case.context.layers)
    return [network, f"{weights:,}", *(f"{value:.2f}" for value in seconds)]


def _whole(network: str, images: int) -> list[str]:
    model, (x, y) = NETWORKS[network](images)
    batches = [(x[i : i + 16], y[i : i + 16]) for i in range(0, len(y), 16)]
    with _threads(1):
        start = time.process_time()
        prepared = prepare(NetworkData(model, batches, BITS), (FISHER,))
        traced = time.process_time() - start
        table = prepared.table((FISHER,))
        whole = time.process_time() - start
    perturbed = table.metric_cost[PERTURBATIONS]["cpu_seconds"]
    return [
        network,
        *(f"{s:.2f}" for s in (traced, perturbed, whole - traced - perturbed, whole)),
        f"{100 * perturbed / whole:.0f}",
    ]


def _operations(network: str) -> list[str]:
    case = ScoringCase(network, 1)
    case.prepare()
    counts = []
    for run in (case.forward, case.plain, case.scores):
        with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
            run()
        counts.append(counter.get_total_flops() / 1e9)
    return [network, *(f"{count:.3f}" for count in counts), f"{counts[2] / counts[1]:.3f}"]


def _memory(network: str, images: int, processes: int) -> list[str]:
    spawn = multiprocessing.get_context("spawn")
    peaks = []
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as process:
        for method in ("plain", "scores", "vmap"):
            of_method = [
                process.submit(_peak, network, images, method).result() for _ in range(processes)
            ]
            peaks.append(statistics.median(of_method))
    return [
        network,
        f"{images}",
        *(f"{peak / 1024:.0f}" for peak in peaks),
        f"{peaks[1] / peaks[0]:.2f}",
    ]


def _peak(network: str, images: int, method: str) -> int:
    """KB of resident memory that two passes of a method add at most."""
    torch.set_num_threads(1)
    case = ScoringCase(network, images)
    forget_peak()
    before = status_bytes("VmRSS") or 0
    if method != "plain":
        case.prepare()
    for _ in range(2):
        if method == "plain":
            case.plain()
        elif method == "scores":
            case.scores()
        else:
            case.per_sample_gradients(1)
    return (peak_bytes() - before) // 1024
