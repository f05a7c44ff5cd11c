"""Rounding within the chosen widths by the second moments of the layers' inputs (GPTQ).

For a layer y = W x the error of its output over the data is tr((W - Q) H (W - Q)'), H = E[x x'].
Columns of W are rounded to the grid one after another, those of largest H_jj first; what the
rounding of column j changes is taken up by the columns not yet rounded,

    w_r <- w_r - (w_j - q_j) U_jr / U_jj,    U'U = (H + damping I)^-1, U upper triangular,

which is the least-squares answer to it. Scales and widths stay as they are, so sizes do too.
Convolutions read unfolded inputs, group by group. H is that of the float network's inputs.

References:
    E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, GPTQ: accurate post-training quantization
    for generative pre-trained transformers, ICLR 2023, arXiv:2210.17323, equations 2 to 5.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitknap.problems.errors import UnsupportedError
from bitknap.sensitivity.quantization.choices import FLOAT, Choice, parse_label
from bitknap.sensitivity.quantization.formats import format_of
from bitknap.sensitivity.quantization.quantizers import Quantizer
from bitknap.sensitivity.table.table import LayerInfo

from ..kept import Kept
from .base import Quantized, hooked

BLOCK = 64
"""Columns whose corrections reach the columns behind them as one matrix product."""

DAMPING = 0.01
"""Share of the mean of H's diagonal that is added to it."""


class Rounding:
    """See the module."""

    symmetric = True

    def __call__(self, quantized: Quantized) -> None:
        """Change weights of linear layers and convolutions to other points of their grids.

        Weights in a format stay as they are.

        Raises:
            UnsupportedError: the quantizer has zero points.
        """
        require_symmetric(quantized)
        layers = covered(quantized)
        moments = quantized.once("second moments", lambda: _second_moments(quantized, layers))
        for name, moment in moments.items():
            choice = grid_of(quantized, layers[name])
            if choice is not None:
                rounded = _rounded(quantized, name, choice, moment)
                quantized.network.get_parameter(f"{name}.weight").detach().copy_(rounded)


def require_symmetric(quantized: Quantized) -> None:
    """Refuse a quantizer with zero points."""
    if quantized.quantizer.scheme != "symmetric":
        raise UnsupportedError("rounding needs a symmetric quantizer; leave it out of repair")


def covered(quantized: Quantized) -> dict[str, LayerInfo]:
    """The layers that are rounded, by the names of their modules."""
    modules = dict(quantized.model.named_modules())
    names = {
        layer.parameter.removesuffix(".weight"): layer
        for layer in quantized.layers
        if layer.channel_dim == 0
    }
    return {name: names[name] for name in names if _is_covered(modules.get(name))}


def grid_of(quantized: Quantized, layer: LayerInfo) -> Choice | None:
    """A layer's bits or ``ternary``; None where it stays float or is in a format."""
    choice, _ = parse_label(quantized.plan.get(layer.name, FLOAT))
    return None if choice == FLOAT or format_of(choice) is not None else choice


def _rounded(quantized: Quantized, name: str, choice: Choice, moment: Tensor) -> Tensor:
    """The rounded weight of a layer, kept for the next plan while there is room."""
    weight = quantized.model.get_parameter(f"{name}.weight").detach()
    kept = quantized.once("rounded weights", Kept)
    rounded: Tensor = kept(
        (name, choice), lambda: round_rows(weight, moment, quantized.quantizer, choice)
    )
    return rounded


def round_rows(
    weight: Tensor,
    moment: Tensor,
    quantizer: Quantizer,
    choice: Choice,
    target: Tensor | None = None,
) -> Tensor:
    """The weight on the quantizer's grid, of small error over inputs with these second moments.

    Args:
        weight: (out, ...), channels first; its rows are in G consecutive groups.
        moment: (G, k, k) float64, E[x x'] of what the rows of each group read.
        quantizer: symmetric.
        choice: bits or ``ternary``.
        target: what is rounded instead of the weight, whose grid it is.
    """
    low, high = quantizer.codes(choice)
    _, scale = quantizer.encode(weight, choice)
    groups, size = len(moment), moment.shape[-1]
    if scale.shape[1] > 1:
        scale = scale.repeat_interleave(quantizer.group_size, dim=1)[:, :size]
    rows = (weight if target is None else target).double().reshape(groups, -1, size).clone()
    step = scale.expand(len(weight), size).reshape(groups, -1, size)
    damping = DAMPING * moment.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)
    damped = moment + damping[:, None, None] * torch.eye(
        size, dtype=torch.float64, device=moment.device
    )
    order = damped.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True, stable=True)
    across = order[:, None, :].expand_as(rows)
    rows, step = rows.gather(2, across), step.gather(2, across)
    damped = damped.gather(1, order[:, :, None].expand_as(damped))
    damped = damped.gather(2, order[:, None, :].expand_as(damped))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    upper = torch.linalg.cholesky(inverse, upper=True)
    rounded = torch.empty_like(rows)
    for start in range(0, size, BLOCK):
        end = min(start + BLOCK, size)
        errors = torch.empty_like(rows[:, :, start:end])
        for j in range(start, end):
            value, unit = rows[:, :, j], step[:, :, j]
            code = (value / unit.where(unit != 0, 1.0)).round().clamp(low, high)
            rounded[:, :, j] = code * unit
            error = (value - rounded[:, :, j]) / upper[:, None, j, j]
            rows[:, :, j + 1 : end] -= error[:, :, None] * upper[:, None, j, j + 1 : end]
            errors[:, :, j - start] = error
        rows[:, :, end:] -= errors @ upper[:, start:end, end:]
    back = torch.empty_like(rounded).scatter_(2, across, rounded)
    return back.reshape(weight.shape).to(weight.dtype)


def _is_covered(module: nn.Module | None) -> bool:
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return isinstance(module, nn.Linear)


def _second_moments(quantized: Quantized, names: Collection[str]) -> dict[str, Tensor]:
    """(G, k, k) mean of x x' over all positions of the data, of each layer that is covered."""
    modules = {name: quantized.model.get_submodule(name) for name in names}
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, module: nn.Module, inputs: Tensor, _: Tensor) -> None:
        found = columns(module, inputs)
        counts[name] = counts.get(name, 0) + found.shape[-1]
        sums[name] = sums.get(name, 0) + (found @ found.mT).double()

    with hooked(modules, add):
        for batch in quantized.batches:
            quantized.forward(quantized.model, batch)
    return {name: total / max(counts[name], 1) for name, total in sums.items()}


def columns(module: nn.Module, inputs: Tensor) -> Tensor:
    """(G, k, positions) what the rows of each group of a layer's weight read."""
    values = inputs.detach().float()
    if isinstance(module, nn.Linear):
        return values.reshape(1, -1, values.shape[-1]).mT
    assert isinstance(module, nn.Conv1d | nn.Conv2d)
    sizes: list[Any] = [module.kernel_size, module.dilation, module.padding, module.stride]
    if isinstance(module, nn.Conv1d):
        values = values.unsqueeze(-2)
        sizes = [(fill, *size) for fill, size in zip((1, 1, 0, 1), sizes, strict=True)]
    if values.dim() == 3:
        values = values[None]
    unfolded = F.unfold(values, *sizes)
    groups = module.groups
    return unfolded.movedim(0, 1).reshape(groups, unfolded.shape[1] // groups, -1)


REPAIR = Rounding()
