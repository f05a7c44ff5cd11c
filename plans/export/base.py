"""What an export target is: a file of a plan, or of the network with the plan applied."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError

if TYPE_CHECKING:
    from torch import nn

    from bitknap.sensitivity import SensitivityTable

    from ..layer_plan import Plan


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        size: bytes of the file.
        predicted: bytes of the quantized weights by the plan, and of all other tensors; None
            where the file holds no weights.
    """

    size: int
    predicted: int | None = None


Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Applied:
    """A plan applied to a network.

    Args:
        plan: layer -> label, with the table of its layers.
        model: the float network.
        network: of `Plan.apply` for it.
        calls: arguments with which the network is called, positional and by name; the first
            dimension is that of the samples, and those that differ between calls are free, too.
        like: a file of the same network for the target's runtime, whose metadata are taken over.
    """

    plan: Plan
    model: nn.Module
    network: nn.Module
    calls: Sequence[Call] = ()
    like: str | os.PathLike[str] | None = None

    @property
    def predicted(self) -> int:
        """Bytes of the quantized weights by the plan, and of all other floats of the network."""
        from ..state import distinct_state

        quantized = [layer.parameter for layer in self.plan.table.layers]
        others = distinct_state(self.network, without=quantized).values()
        rest = sum(v.numel() * v.element_size() for v in others if v.is_floating_point())
        return self.plan.predicted_bytes + rest


def applied(
    plan: Plan, model: nn.Module | None, inputs: Sequence[Any] | None = None, repair: str = "auto"
) -> Applied:
    """The plan applied to its network and repaired by its calibration data.

    Args:
        plan: with calibration data, or to be left without repair.
        model: the float network; not changed.
        inputs: positional inputs; by default what ``plan.forward`` calls the network with for the
            calibration batches.
        repair: as for `Plan.apply`.

    Raises:
        DataError: there is no network, or the network is another one.
    """
    if model is None:
        raise DataError("this target writes a network; pass the float network of the plan")
    network = plan.apply(model, repair=repair)
    if inputs is not None:
        return Applied(plan, model, network, [(tuple(inputs), {})])
    return Applied(plan, model, network, _calls(plan, network))


class _Called(BaseException):
    """What a network is called with is known: it need not run. No ``except Exception`` stops it."""


def _calls(plan: Plan, network: nn.Module) -> list[Call]:
    """What ``plan.forward`` calls the network with, for each calibration batch."""
    from bitknap.sensitivity.tracing.batches import default_forward

    calls: list[Call] = []

    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append((args, kwargs))
        raise _Called

    handle = network.register_forward_pre_hook(note, with_kwargs=True)
    try:
        for batch in plan.calibration or ():
            with suppress(_Called):
                (plan.forward or default_forward)(network, batch)
    finally:
        handle.remove()
    return calls


class TextTarget(ABC):
    """A target that writes the plan alone."""

    @abstractmethod
    def text(self, plan: Plan) -> str:
        """The file's content."""

    def write(self, plan: Plan, path: str | os.PathLike[str]) -> Exported:
        """Write the file."""
        write_atomically(path, text := self.text(plan))
        return Exported(len(text.encode()))


class ItemsTarget(TextTarget):
    """A target that writes items of a table: those of a plan, or all."""

    @abstractmethod
    def rows_text(self, table: SensitivityTable, items: Iterable[int]) -> str:
        """The file's content for some items of a table."""

    def text(self, plan: Plan) -> str:
        """That of the chosen items."""
        return self.rows_text(plan.table, plan.items.tolist())

    @staticmethod
    def rows(table: SensitivityTable, items: Iterable[int]) -> list[dict[str, Any]]:
        """Layer, choice, weights, bits, costs and predicted losses of each item."""
        found = []
        for item in items:
            layer = table.layers[int(np.searchsorted(table.offsets, item, side="right")) - 1]
            row: dict[str, Any] = {"layer": layer.name, "choice": table.labels[item]}
            row |= {"weights": layer.numel, "bits": int(table.bits[item])}
            row |= {name: int(cost[item]) for name, cost in table.costs.items()}
            found.append(row | {name: float(loss[item]) for name, loss in table.omega.items()})
        return found


class NetworkTarget(ABC):
    """A target that writes the network, and reads it back into what runs it."""

    @abstractmethod
    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write the file.

        Raises:
            UnsupportedError: a package is missing, or the network does not fit the target.
        """

    @abstractmethod
    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """A module that computes what the file holds in its runtime.

        Args:
            path: the file.
            model: the float network; not changed.

        Raises:
            DataError: the file is missing or damaged.
        """
