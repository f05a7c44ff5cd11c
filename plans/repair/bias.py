"""Bias correction: each layer's mean output is that of the float network again.

b_c <- b_c - (E[y'_c] - E[y_c]), with y the float layer's output and y' the quantized one's, for
every output channel c and layer by layer in the order of execution: in each batch the output
that a later layer reads is the corrected one. Layers are corrected that have a bias and do not
lead into a batch norm, whose statistics take the mean up. Sizes do not change. Where the network's
outputs are not nearer to the float network's after it, as in some transformers, it is undone.

References:
    M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, Data-free quantization through weight
    equalization and bias correction, ICCV 2019, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.sensitivity.tracing.batches import Batch

from .base import Quantized, hooked, kept_if_nearer, samples_of

CORRECTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Bias:
    """See the module."""

    symmetric = False

    def __call__(self, quantized: Quantized) -> None:
        """Change biases, and nothing else."""
        names = quantized.once("layers whose bias is corrected", lambda: _corrected(quantized))
        if not names:
            return
        means = quantized.once("means of outputs", lambda: _float_means(quantized))
        totals: dict[str, Tensor] = {}
        samples = [samples_of(batch) for batch in quantized.batches]
        for batch, count, wanted in zip(quantized.batches, samples, means, strict=True):
            for name, shift in _shifts(quantized, batch, names, wanted).items():
                totals[name] = totals.get(name, 0) + shift * (count / sum(samples))
        shifts = {f"{name}.bias": total for name, total in totals.items()}
        with kept_if_nearer(quantized, shifts) as biases:
            for name, bias in biases.items():
                bias.sub_(shifts[name])


Means = dict[str, list[Tensor]]
"""(C,) mean output of every use of a layer, by the layer's name."""


def _float_means(quantized: Quantized) -> list[Means]:
    """Of the float network's layers with a bias, batch by batch."""
    modules: dict[str, nn.Module] = {
        name: module
        for name, module in quantized.model.named_modules()
        if isinstance(module, CORRECTED) and module.bias is not None
    }
    return [_means(quantized, modules, batch) for batch in quantized.batches]


def _means(quantized: Quantized, modules: dict[str, nn.Module], batch: Batch) -> Means:
    found: Means = {}

    def note(name: str, module: nn.Module, _: Tensor, output: Tensor) -> None:
        found.setdefault(name, []).append(_mean(module, output))

    with hooked(modules, note):
        quantized.forward(quantized.model, batch)
    return found


def _shifts(
    quantized: Quantized, batch: Batch, names: list[str], wanted: Means
) -> dict[str, Tensor]:
    """(C,) of each layer: mean output of the quantized network minus that of the float one."""
    left = {name: list(wanted.get(name, ())) for name in names}
    found: Means = {name: [] for name in names}

    def correct(name: str, module: nn.Module, _: Tensor, output: Tensor) -> Tensor:
        if not left[name]:
            return output
        found[name].append(_mean(module, output) - left[name].pop(0))
        return output - _along(module, found[name][-1])

    with hooked(_modules(quantized.network, names), correct):
        quantized.forward(quantized.network, batch)
    return {name: torch.stack(shifts).mean(dim=0) for name, shifts in found.items() if shifts}


def _corrected(quantized: Quantized) -> list[str]:
    """Names of the layers that are corrected."""
    chosen = {layer.parameter for layer in quantized.layers if layer.name in quantized.plan}
    names = [
        name
        for name, module in quantized.model.named_modules()
        if isinstance(module, CORRECTED) and module.bias is not None and f"{name}.weight" in chosen
    ]
    outputs: dict[int, str] = {}
    kept: list[Tensor] = []
    normalised: set[str] = set()

    def note(name: str, _: nn.Module, inputs: Tensor, output: Tensor) -> None:
        if name in names:
            outputs[id(output)] = name
            kept.append(output)
        elif id(inputs) in outputs:
            normalised.add(outputs[id(inputs)])

    modules = _modules(quantized.model, names)
    norms = {n: m for n, m in quantized.model.named_modules() if isinstance(m, _BatchNorm)}
    with hooked(modules | norms, note):
        quantized.forward(quantized.model, quantized.batches[0])
    return [name for name in names if name not in normalised]


def _modules(network: nn.Module, names: list[str]) -> dict[str, nn.Module]:
    return {name: network.get_submodule(name) for name in names}


def _mean(module: nn.Module, output: Tensor) -> Tensor:
    """(C,) mean of each output channel."""
    channel = output.dim() - 1 - _positions(module)
    return output.mean(dim=[d for d in range(output.dim()) if d != channel])


def _along(module: nn.Module, values: Tensor) -> Tensor:
    """Values of the channels, to broadcast against an output."""
    return values.view(-1, *[1] * _positions(module))


def _positions(module: nn.Module) -> int:
    """Dimensions behind the channels of a layer's output."""
    return 0 if isinstance(module, nn.Linear) else module.weight.dim() - 2  # type: ignore[operator]


REPAIR = Bias()
