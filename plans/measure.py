"""Measure plans: the damage of each sample, repaired, on halves of the calibration data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.problems.documents import load_as, save_document
from bitknap.problems.errors import DataError
from bitknap.sensitivity import Quantizer, SensitivityTable
from bitknap.sensitivity.table.provenance import hash_data, hash_model
from bitknap.sensitivity.tracing.batches import Batch, Forward, take, tensors

from .apply import Applier
from .yardsticks import Yardstick

FORMAT = "bitknap.damages/1"

MOST_KEPT = 1 << 28
"""Bytes of the float network's outputs that are kept; others are computed for every plan."""

Plan = Mapping[str, str]
Damages = NDArray[np.float64]


@dataclass(frozen=True)
class _StoredDamages:
    key: str
    rows: dict[str, list[float]]
    sha256: str

    def __post_init__(self) -> None:
        if self.sha256 != digest(self.rows):
            raise DataError("its damages have another hash than it states")


def digest(rows: Mapping[str, list[float]]) -> str:
    """SHA-256 of damages by plan."""
    return sha256(json.dumps(dict(rows), sort_keys=True).encode()).hexdigest()


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

    During the search a network is repaired on the first half, by batch-norm statistics where it
    has any and by biases else.

    Args:
        model: the float network of the table.
        table: its layers, quantizer and grids.
        batches: calibration data.
        forward: ``forward(model, batch)``.
        damage: what is measured.
        name: of the damage, for the file.
        quantizer: an equal one, e.g. with a cache.
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
        path: Path | None = None,
        say: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.forward, self.damage, self.path, self.say = forward, damage, path, say
        self.halves = halves(batches)
        self._apply = Applier(model, table, quantizer, self.halves[0], forward)
        norms = any(isinstance(module, _BatchNorm) for module in model.modules())
        self.repair = "batch_norm" if norms else "bias"
        self.evaluations = 0
        self._model = model
        self._plain: dict[tuple[int, int], Any] = {}
        self._kept = 0
        facts = (hash_model(model), hash_data(batches), name, self.repair)
        self._key = sha256(json.dumps([*facts, table.provenance.get("quantizer")]).encode())
        self._known: dict[str, list[float]] = self._load()

    def __call__(self, plan: Plan, half: int) -> Damages:
        """(n,) damages of the samples of a half, 0 or 1."""
        text = json.dumps([half, sorted(plan.items())])
        key = sha256(text.encode()).hexdigest()[:16]
        if key not in self._known:
            self.evaluations += 1
            self.say(self.evaluations)
            self._known[key] = self._measured(plan, half)
            self._save()
        return np.array(self._known[key])

    def both(self, plan: Plan) -> Damages:
        """Damages of the samples of both halves."""
        return np.concatenate([self(plan, 0), self(plan, 1)])

    def _measured(self, plan: Plan, half: int) -> list[float]:
        network = self._apply(plan, self.repair)
        found: list[float] = []
        with torch.no_grad():
            for number, batch in enumerate(self.halves[half]):
                plain = self._float_output(half, number, batch)
                changed = self.forward(network, batch)
                found += self.damage(plain, changed, batch).double().tolist()
        return found

    def _float_output(self, half: int, number: int, batch: Batch) -> Any:
        """The float network's output, kept for the next plan while there is room."""
        if (half, number) in self._plain:
            return self._plain[half, number]
        output = self.forward(self._model, batch)
        size = sum(t.numel() * t.element_size() for t in tensors(output))
        if self._kept + size <= MOST_KEPT:
            self._kept += size
            self._plain[half, number] = output
        return output

    def _load(self) -> dict[str, list[float]]:
        if self.path is None or not self.path.exists():
            return {}
        stored = load_as(_StoredDamages, self.path, (FORMAT,), remedy="remove it to measure again")
        return stored.rows if stored.key == self._key.hexdigest() else {}

    def _save(self) -> None:
        if self.path is not None:
            rows = dict(sorted(self._known.items()))
            content = {"key": self._key.hexdigest(), "rows": rows, "sha256": digest(rows)}
            save_document(self.path, FORMAT, content)
