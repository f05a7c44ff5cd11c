"""Measure plans: the damage of each sample, repaired, on halves of the calibration data."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.problems.errors import DataError
from bitknap.sensitivity import Quantizer, SensitivityTable
from bitknap.sensitivity.table.provenance import hash_data, hash_model
from bitknap.sensitivity.tracing.batches import Batch, Forward, take, tensors

from .apply import Applier
from .kept import MOST, Kept
from .remembered import Remembered
from .repair.base import VERSION, samples_of
from .yardsticks import Yardstick

FORMAT = "bitknap.damages/3"

REPAIRED_ON = 256
"""Samples of the first half that networks are repaired on; all where it has fewer."""

LOOK = 4
"""Measuring may stop once a quarter of the half is measured."""

Plan = Mapping[str, str]
Damages = NDArray[np.float64]


def halves(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """The batches in two parts, every other one in the second; one batch is cut in two.

    Raises:
        DataError: there is only one sample.
    """
    if len(batches) > 1:
        return list(batches[::2]), list(batches[1::2])
    count = len(tensors(batches[0])[0]) if batches and tensors(batches[0]) else 0
    if count < 2:
        raise DataError("measuring plans needs two calibration samples or more")
    rows = list(range(count))
    return [take(batches[0], rows[::2])], [take(batches[0], rows[1::2])]


class Measurer:
    """Damages of plans on two halves of the calibration data, each measured once.

    Networks are repaired on the first samples of the first half. ``repair="auto"`` leaves out what
    is slow and decides little: biases where there are batch norms, ``sequential``, and the rounding
    of networks whose rounded weights are too many to be kept.

    Args:
        model: the float network of the table.
        table: its layers, quantizer and grids.
        batches: calibration data.
        forward: ``forward(model, batch)``.
        damage: what is measured.
        name: of the damage, for the file.
        quantizer: an equal one, e.g. with a cache.
        repair: ``auto``, ``none``, or names with commas, as for `apply_plan`.
        path: where damages are kept; those of other data or another network are dropped.
        say: called with the number of every evaluation.
    """

    def __init__(  # noqa: PLR0913, keywords
        self,
        model: nn.Module,
        table: SensitivityTable,
        batches: Sequence[Batch],
        forward: Forward,
        damage: Yardstick,
        *,
        name: str = "",
        quantizer: Quantizer | None = None,
        repair: str = "auto",
        path: Path | None = None,
        say: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.forward, self.damage, self.say = forward, damage, say
        self.halves = halves(batches)
        few = _first(self.halves[0], REPAIRED_ON)
        self._apply = Applier(model, table, quantizer, few, forward)
        self.repair = _quick(model, table, self._apply.quantizer) if repair == "auto" else repair
        self.networks = 0
        self._model = model
        self._outputs = Kept()
        self._asked: set[str] = set()
        self._latest: tuple[Plan, nn.Module] | None = None
        hashes = hash_model(model), hash_data(batches), hash_data(few)
        facts = (*hashes, name, f"{self.repair} {VERSION}")
        key = sha256(json.dumps([*facts, table.provenance.get("quantizer")]).encode()).hexdigest()
        self._known = Remembered(path, FORMAT, key, str)

    @property
    def evaluations(self) -> int:
        """Plans asked for on a half, each counted once, remembered or not."""
        return len(self._asked)

    def forget_asked(self) -> None:
        """Count evaluations from 0 again."""
        self._asked.clear()

    def __call__(
        self, plan: Plan, half: int, against: Damages | None = None, errors: float = 0.0
    ) -> Damages:
        """(n,) damages of the samples of a half, 0 or 1.

        Given the damages of another plan on this half, measuring stops where this one is worse by
        more than so many standard errors of the paired difference, from a quarter of the half on:
        then (m,) damages of the first m samples.
        """
        name = sha256(json.dumps([half, sorted(plan.items())]).encode()).hexdigest()[:16]
        if name not in self._asked:
            self._asked.add(name)
            self.say(self.evaluations)
        known = self._known[name].split() if name in self._known else []
        parts = [np.frombuffer(b64decode(text)) for text in known]
        batches = self.halves[half]
        for number in range(len(batches)):
            if number == len(parts):
                parts.append(self._run(plan, half, number))
            found = np.concatenate(parts[: number + 1])
            looks = LOOK * (number + 1) >= len(batches) > number + 1
            if looks and against is not None and is_worse(found, against, errors):
                break
        if len(parts) > len(known):
            self._known[name] = " ".join(b64encode(part.tobytes()).decode() for part in parts)
        return found

    def both(self, plan: Plan) -> Damages:
        """Damages of the samples of both halves."""
        return np.concatenate([self(plan, 0), self(plan, 1)])

    def _run(self, plan: Plan, half: int, number: int) -> Damages:
        """Damages of one batch."""
        batch = self.halves[half][number]
        plain = self._float_output(half, number, batch)
        with torch.no_grad():
            changed = self.forward(self._network(plan), batch)
            values: Damages = self.damage(plain, changed, batch).double().cpu().numpy()
        return values

    def _network(self, plan: Plan) -> nn.Module:
        """The repaired network, kept until another plan's is asked for."""
        if self._latest is None or self._latest[0] != plan:
            self._latest = None
            self._latest = dict(plan), self._apply(plan, self.repair)
            self.networks += 1
        return self._latest[1]

    def _float_output(self, half: int, number: int, batch: Batch) -> Any:
        """The float network's output, kept for the next plan while there is room."""

        def run() -> Any:
            with torch.no_grad():
                return self.forward(self._model, batch)

        return self._outputs((half, number), run)


def _quick(model: nn.Module, table: SensitivityTable, quantizer: Quantizer) -> str:
    """The repairs of ``auto`` that many plans can be measured with."""
    norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    last = "batch_norm" if norms else "bias"
    kept = 4 * table.weights * len(table.choices) <= MOST
    symmetric = quantizer.scheme == "symmetric"
    return f"rounding,{last}" if kept and symmetric else last


def is_worse(damages: Damages, others: Damages, errors: float) -> bool:
    """Whether the first samples are worse by more than so many standard errors."""
    differences = damages - others[: len(damages)]
    return float(differences.mean()) > errors * error_of(differences)


def _first(batches: Sequence[Batch], samples: int) -> list[Batch]:
    """The first batches, with so many samples or all."""
    found, count = [], 0
    for batch in batches:
        if count >= samples:
            break
        found.append(batch)
        count += samples_of(batch)
    return found


def error_of(values: Damages) -> float:
    """Standard error of the mean."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
