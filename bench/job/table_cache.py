"""The sensitivity table of a workload, kept on disk and reused while its inputs are the same."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bitknap.problems import DataError
from bitknap.problems.storage import only_writer
from bitknap.sensitivity import (
    METRICS,
    ActivationQuantizer,
    Quantizer,
    SensitivityTable,
    load_table,
    save_table,
)
from bitknap.sensitivity.metrics.measured import MeasuredMetric
from bitknap.sensitivity.prepare import NetworkData, PreparedNetwork, prepare
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.resume.checkpoint import Checkpoint
from bitknap.sensitivity.resume.ranks import Ranks
from bitknap.sensitivity.table.provenance import changes, hash_data

from ..workloads.base import Workload
from .cached_quantizer import CachedQuantizer

QUANTIZER: Quantizer = CachedQuantizer()
"""The default weight quantizer."""

SILENCE = 0.5
"""Seconds between reports of progress."""


def calibration_batches(workload: Workload, samples: int, seed: int) -> list[Any]:
    """The batches that a workload draws, which must be the same when it draws them again.

    Raises:
        DataError: two draws differ.
    """
    first, second = (list(workload.calibration(samples, seed)) for _ in range(2))
    if hash_data(first) != hash_data(second):
        raise DataError(
            f"the calibration data of {workload.name} differ between two draws with seed {seed}; "
            "draw and shuffle with a generator that is set from the seed"
        )
    return first


def traced(
    workload: Workload,
    batches: Sequence[Any],
    bits: Sequence[Choice],
    seed: int,
    say: Callable[[str], None] = lambda text: None,
    quantizer: Quantizer = QUANTIZER,
    activations: ActivationQuantizer | None = None,
    chunk: int | None = None,
) -> PreparedNetwork:
    """A workload's network traced on its data, once for all metrics.

    `say` is told of the progress twice a second at most. `chunk` is that of `sensitivity_table`.
    """
    said = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SILENCE:
            say(f"{what}: {done} of {total}")
            said = time.monotonic()

    given = NetworkData(
        workload.model,
        batches,
        bits,
        loss_fn=workload.loss,
        forward=workload.forward,
        quantizer=quantizer,
        activations=activations,
        seed=seed,
        progress=progress,
        provenance={"workload": workload.name, **workload.provenance},
        chunk=chunk,
    )
    return prepare(given, metrics=())


def fill(
    prepared: PreparedNetwork,
    path: Path,
    metrics: Sequence[str],
    say: Callable[[str], None],
    ranks: Ranks | None = None,
    excluded: Collection[str] = (),
) -> SensitivityTable:
    """The table with all metrics asked for, computing only what the file lacks.

    Metrics that share one pass are computed together, every other on its own, and the file is
    written after each step. Within a step finished chunks are kept in PATH.partial, so that an
    interrupted run resumes where it stopped.

    Args:
        ranks: processes that share the work; the first one reads and writes the file.
        excluded: layers that a policy takes out of the table afterwards.

    Raises:
        DataError: another run writes the table, or the file there cannot be read as one.
    """
    ranks = ranks or Ranks()
    with contextlib.ExitStack() as held:
        if ranks.rank == 0:
            held.enter_context(only_writer(path.parent, f".{path.name}.lock"))
        checkpoint = Checkpoint(path.with_name(f"{path.name}.partial"), ranks, say)
        table = _stored(prepared.table(), path, say)
        wanted = json.dumps([name for name in metrics if name not in table.omega])
        missing = json.loads(ranks.broadcast(wanted.encode(), 0))
        checkpoint.discard(table.omega)
        for group in _sharing_a_pass(missing):
            say(f"computing {', '.join(group)}")
            new = prepared.table([METRICS.load(name) for name in group], checkpoint, excluded)
            table = replace(
                table,
                omega={**table.omega, **new.omega},
                scores={**table.scores, **new.scores},
                statistics={**table.statistics, **new.statistics},
                metric_cost={**table.metric_cost, **new.metric_cost},
                errors={**table.errors, **new.errors},
                interactions={**table.interactions, **new.interactions},
            )
            if ranks.rank == 0:
                save_table(table, path)
            checkpoint.discard(table.omega)
        return table


def _sharing_a_pass(names: Sequence[str]) -> list[list[str]]:
    """The single-pass metrics together, every other alone, the measured ones together and last."""
    metrics = {name: METRICS.load(name) for name in names}
    measured = [name for name, metric in metrics.items() if isinstance(metric, MeasuredMetric)]
    others = [name for name in names if name not in measured]
    single = [name for name in others if metrics[name].has_scores]
    groups = [single, *([name] for name in others if name not in single), measured]
    return [group for group in groups if group]


def _stored(blank: SensitivityTable, path: Path, say: Callable[[str], None]) -> SensitivityTable:
    if not os.path.lexists(path):
        return blank
    try:
        stored = load_table(path)
    except DataError as error:
        raise DataError(f"{error}; name another --out, or remove it") from None
    if differ := changes(stored.provenance, blank.provenance):
        say(f"{path} was made with other {', '.join(differ)}; computing it again")
        return blank
    say(f"reusing {path}")
    return stored
