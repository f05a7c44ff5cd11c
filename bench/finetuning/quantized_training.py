"""A network whose weights, and inputs of layers if wanted, are quantized while it is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bitknap.problems import DataError
from bitknap.sensitivity import LayerInfo, Quantizer
from bitknap.sensitivity.quantization.channels import channels
from bitknap.sensitivity.quantization.choices import FLOAT, parse_label
from bitknap.sensitivity.quantization.scales import least_squares_scale

from ..workloads.base import Workload
from .lsq import InputQuantizer, StepQuantizer

INPUT_KINDS = ("conv", "linear", "conv_transpose")
"""Layers whose input can be quantized: the first argument of the module that owns the weight."""

_CALIBRATION_VALUES = 4096
"""Values of a layer's input, evenly spread, that its first step is fitted to."""


class QuantizedTraining(nn.Module):
    """A copy of a network that computes with quantized weights.

    Gradients pass to the float weights and to the steps, which start at the scales that the
    quantizer finds, so that the untrained copy computes what `quantized_copy` does. Called like
    the network itself.

    Args:
        allocation: layer name -> weight bits, ``ternary`` or ``float``, or a pair such as
            ``w4a8``; layers left out stay in float.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[LayerInfo],
        allocation: Mapping[str, int | str],
        quantizer: Quantizer,
    ) -> None:
        super().__init__()
        unknown = set(allocation) - {layer.name for layer in layers}
        if unknown:
            raise DataError(f"the allocation names layer {min(unknown)!r}, which the table lacks")
        self.network = copy.deepcopy(network).requires_grad_(True)
        choices = {name: parse_label(str(label)) for name, label in allocation.items()}
        weights = {name: weight for name, (weight, _) in choices.items() if weight != FLOAT}
        self.inputs = {name: bits for name, (_, bits) in choices.items() if isinstance(bits, int)}
        self.known = tuple(layers)
        self.layers = [layer for layer in layers if layer.name in weights]
        self.weight_steps = nn.ModuleList()
        for layer in self.layers:
            weight = self.network.get_parameter(layer.parameter)
            choice, dim = weights[layer.name], layer.channel_dim
            _, scale = quantizer.encode(weight, choice, dim=dim)
            shape = channels(dim).spread(weight.shape) if len(scale) > 1 else [1] * weight.dim()
            low, high = quantizer.codes(choice)
            self.weight_steps.append(StepQuantizer(scale.to(weight).reshape(shape), low, high))
        self.input_steps = nn.ModuleDict()
        self.places = [_places(self.network, layer.parameter) for layer in self.layers]

    def quantize_inputs(
        self, workload: Workload, bits: int | None, samples: int, seed: int
    ) -> None:
        """Quantize the inputs of convolution and linear layers too, where bits for them are given.

        One step per layer, first of least squared error on calibration data; codes 0 to 2^b - 1
        where no input is negative, else -2^(b-1) to 2^(b-1) - 1.

        Args:
            bits: of layers whose choice names none; None leaves these in float.
        """
        names = {*self.inputs} if bits is None else {*self.inputs, *(x.name for x in self.layers)}
        layers = [x for x in self.known if x.name in names and x.kind in INPUT_KINDS]
        if not layers:
            return
        found = self._inputs(layers, workload, workload.calibration(samples, seed))
        for layer in layers:
            values = found[layer.name].double()[None]
            signed = bool((values < 0).any())
            width = self.inputs.get(layer.name, bits or 0)
            low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
            scale = least_squares_scale(values, min(low, -1), high).abs()
            weight = self.network.get_parameter(layer.parameter)
            step = StepQuantizer(scale.to(weight)[0], low, high, batched=True)
            self.input_steps[layer.name.replace(".", "/")] = step
            self.network.get_submodule(layer.name).register_forward_pre_hook(InputQuantizer(step))

    def _inputs(
        self, layers: Sequence[LayerInfo], workload: Workload, batches: Sequence[Any]
    ) -> dict[str, Tensor]:
        """(k,) values of every layer's input over the batches."""
        seen: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
        share = -(-_CALIBRATION_VALUES // len(batches))

        def keep(name: str) -> Any:
            def hook(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
                flat = arguments[0].detach().flatten()
                seen[name].append(flat[:: max(1, len(flat) // share)])

            return hook

        self.eval()
        with ExitStack() as stack, torch.no_grad():
            for layer in layers:
                module = self.network.get_submodule(layer.name)
                stack.enter_context(module.register_forward_pre_hook(keep(layer.name)))
            for batch in batches:
                workload.forward(self, batch)
        return {name: torch.cat(parts) for name, parts in seen.items()}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The network's output with quantized weights in place of the float ones."""
        weights = {
            place: weight
            for places, (_, weight) in zip(self.places, self.quantized(), strict=True)
            for place in places
        }
        return functional_call(self.network, weights, args, kwargs, tie_weights=False)

    def quantized(self) -> Iterator[tuple[str, Tensor]]:
        """Parameter name and quantized weight of every layer."""
        for layer, quantize in zip(self.layers, self.weight_steps, strict=True):
            yield layer.parameter, quantize(self.network.get_parameter(layer.parameter))

    def finished(self) -> nn.Module:
        """A plain network in evaluation mode whose weights are the quantized ones."""
        network = copy.deepcopy(self.network)
        with torch.no_grad():
            for name, weight in self.quantized():
                network.get_parameter(name).copy_(weight)
        return network.eval().requires_grad_(False)


def _places(network: nn.Module, parameter: str) -> list[str]:
    """Names of a parameter, one for each module that owns it.

    `functional_call` ties by all names, which leaves a module that itself has two names changed.
    """
    weight = network.get_parameter(parameter)
    owners: dict[tuple[int, str], str] = {}
    for name, found in network.named_parameters(remove_duplicate=False):
        path, _, attribute = name.rpartition(".")
        if found is weight:
            owners.setdefault((id(network.get_submodule(path)), attribute), name)
    return list(owners.values())
