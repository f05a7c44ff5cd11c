"""What a repair works with, and the order in which repairs are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.table.table import LayerInfo
from bitknap.sensitivity.tracing.batches import Batch, Forward, tensors

from ..kept import Kept
from . import REPAIRS

AUTO = ("rounding", "sequential", "batch_norm", "bias")
"""Repairs of ``auto``, in their order; one whose layers a network lacks changes nothing."""

NONE = "none"

VERSION = 2
"""Of what repairs compute: what was measured with another one is measured again."""


@dataclass(frozen=True)
class Quantized:
    """A quantized network on its way to being repaired.

    Args:
        network: the quantized copy, in evaluation mode; repairs change it in place.
        model: the float network, parametrized weights folded; not changed.
        layers: the table's layers.
        plan: layer name -> label.
        quantizer: how the weights were quantized.
        batches: calibration data on the network's device.
        forward: runs a network on a batch.
        found: what repairs keep of the float network for the next plan.
    """

    network: nn.Module
    model: nn.Module
    layers: Sequence[LayerInfo]
    plan: Mapping[str, str]
    quantizer: Quantizer
    batches: Sequence[Batch]
    forward: Forward
    found: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """What ``compute`` says of the float network, from an earlier plan where there was one."""
        if name not in self.found:
            self.found[name] = compute()
        return self.found[name]


class Repair(Protocol):
    """A repair: one file in ``plans/repair`` with the object in ``REPAIR``."""

    symmetric: bool
    """Whether weights must be quantized without zero points; ``auto`` leaves it out else."""

    def __call__(self, quantized: Quantized) -> None:
        """Change the quantized network in place."""


def repairs_named(text: str, quantizer: Quantizer | None = None) -> list[Repair]:
    """The repairs that e.g. ``auto``, ``none`` or ``rounding,batch_norm`` stands for, in order.

    Args:
        text: names with commas.
        quantizer: of the weights; ``auto`` leaves out what needs another one.

    Raises:
        UnsupportedError: a word is not one of them.
    """
    words = [word.strip() for word in text.split(",")]
    if words == [NONE]:
        return []
    names = [name for word in words for name in (AUTO if word == "auto" else (word,))]
    found = {name: REPAIRS.load(name) for name in names}
    affine = quantizer is not None and quantizer.scheme != "symmetric"
    return [
        repair
        for name, repair in found.items()
        if name in words or not (affine and repair.symmetric)
    ]


def samples_of(batch: Batch) -> int:
    """Samples of a batch: the length of its first tensor.

    Raises:
        DataError: it holds no tensor.
    """
    found = tensors(batch)
    if not found:
        raise DataError("a calibration batch holds no tensor")
    return len(found[0]) if found[0].dim() else 1


def output_error(quantized: Quantized) -> float:
    """Sum of the squared differences of the outputs to the float network's."""
    outputs, total = quantized.once("outputs", Kept), 0.0
    for number, batch in enumerate(quantized.batches):
        with torch.no_grad():
            wanted = outputs(number, partial(quantized.forward, quantized.model, batch))
            found = quantized.forward(quantized.network, batch)
        for one, other in zip(tensors(wanted), tensors(found), strict=True):
            if one.is_floating_point():
                total += float((one.double() - other.double()).square().sum())
    return total


@contextmanager
def kept_if_nearer(quantized: Quantized, parameters: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Parameters of the quantized network by name, to be changed in place.

    At the end they are as they were, unless the network's outputs are nearer to the float one's.
    """
    now = {name: quantized.network.get_parameter(name).detach() for name in parameters}
    before, kept = output_error(quantized), {name: value.clone() for name, value in now.items()}
    yield now
    if not output_error(quantized) < before:
        for name, value in kept.items():
            now[name].copy_(value)


def first_input(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """What a layer of one input reads, by position or by keyword."""
    return (*inputs, *named.values())[0]


@contextmanager
def hooked(
    modules: Mapping[str, nn.Module], hook: Callable[[str, nn.Module, Tensor, Tensor], Any]
) -> Iterator[None]:
    """Calls ``hook(name, module, input, output)`` after each; what it returns is the output."""

    def call(name: str) -> Callable[..., Any]:
        return lambda module, inputs, named, output: hook(
            name, module, first_input(inputs, named), output
        )

    handles = [
        module.register_forward_hook(call(name), with_kwargs=True)
        for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
