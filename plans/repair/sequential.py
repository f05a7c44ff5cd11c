"""Rounding layer by layer to the outputs of the float network (GPTQ with asymmetric calibration).

A layer y = W x reads x' in the quantized network, whose layers before it are already rounded. Of

    W* = W (E[x x'^T] + damping I) (E[x' x'^T] + damping I)^-1,

W* x' is the linear function of x' that is nearest to W x, so it makes up for the errors of the
layers before. W* instead of W is rounded to the grid of W, as in `rounding`, with
H = E[x' x'^T]. Scales and widths stay as they are, so sizes do too.

Both networks run over the first 64 batches once, all side by side from layer to layer.
Networks with batch norm are left alone: their statistics are corrected after rounding, and until
then x' is not what the layers will read. So are layers that run more than once. Where the network's
outputs are not nearer to the float network's after it, it is undone.

References:
    Y. Li, R. Yin, D. Lee, S. Xiao, P. Panda, GPTAQ: efficient finetuning-free quantization for
    asymmetric calibration, ICML 2025, arXiv:2504.02692. S. Zhang, H. Zhang, I. Colbert, R. Saab,
    Qronos: correcting the past by shaping the future, 2025, arXiv:2505.11695.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.tracing.batches import Batch

from ..lockstep import Pause, run_in_lockstep
from .base import Quantized, first_input, kept_if_nearer
from .rounding import columns, covered, grid_of, require_symmetric, round_rows

BATCHES = 64
"""Most batches that run side by side."""

DAMPING = 0.1
"""Share of the mean of the diagonal of E[x' x'^T] that is added to both moments."""


class Sequential:
    """See the module."""

    symmetric = True

    def __call__(self, quantized: Quantized) -> None:
        """Change weights of linear layers and convolutions to other points of their grids.

        Raises:
            UnsupportedError: the quantizer has zero points.
        """
        require_symmetric(quantized)
        if any(isinstance(module, _BatchNorm) for module in quantized.model.modules()):
            return
        grids = {
            name: choice
            for name, layer in covered(quantized).items()
            if layer.uses == 1 and (choice := grid_of(quantized, layer)) is not None
        }
        if not grids:
            return
        with kept_if_nearer(quantized, [f"{name}.weight" for name in grids]) as weights:
            _round_in_order(quantized, grids, weights)


def _round_in_order(
    quantized: Quantized, grids: Mapping[str, Choice], weights: Mapping[str, Tensor]
) -> None:
    """Round layer after layer, as the networks reach them."""
    model, batches = quantized.model, quantized.batches[:BATCHES]

    def meet(name: str, inputs: Mapping[int, Tensor]) -> None:
        moments = _moments(model.get_submodule(name), inputs, len(batches))
        if moments is not None:
            weight = model.get_parameter(f"{name}.weight").detach()
            target, own = _target(weight, *moments), moments[1]
            rounded = round_rows(weight, own, quantized.quantizer, grids[name], target)
            weights[f"{name}.weight"].copy_(rounded)

    thread, networks = threading.local(), (model, quantized.network)
    threads = torch.get_num_threads()

    def before(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            if hasattr(thread, "pause"):
                thread.pause(name, first_input(inputs, named))

        return hook

    def run(network: nn.Module, batch: Batch, pause: Pause) -> None:
        thread.pause = pause
        torch.set_num_threads(threads)
        with torch.no_grad():
            quantized.forward(network, batch)

    with ExitStack() as stack:
        for network in networks:
            for name in grids:
                module = network.get_submodule(name)
                handle = module.register_forward_pre_hook(before(name), with_kwargs=True)
                stack.callback(handle.remove)
        tasks = [partial(run, network, batch) for network in networks for batch in batches]
        run_in_lockstep(tasks, meet)


Moments = tuple[Tensor, Tensor]
"""(G, k, k) E[x x'^T] and E[x' x'^T] of what the rows of each group of a weight read."""


def _moments(module: nn.Module, inputs: Mapping[int, Tensor], count: int) -> Moments | None:
    """Of what both networks read in the same batches; None where they read nothing alike.

    Args:
        inputs: of the float network by the number of the batch, n, and of the quantized one by
            n + count.
    """
    both: Any = 0
    own: Any = 0
    positions = 0
    for number, value in inputs.items():
        other = inputs.get(number + count)
        if number < count and other is not None and other.shape == value.shape:
            x, changed = columns(module, value), columns(module, other)
            both = both + (x @ changed.mT).double()
            own = own + (changed @ changed.mT).double()
            positions += x.shape[-1]
    return (both / positions, own / positions) if positions else None


def _target(weight: Tensor, both: Tensor, own: Tensor) -> Tensor:
    """W*, of the weight's shape, in float64."""
    groups, size = len(own), own.shape[-1]
    damping = DAMPING * own.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)
    eye = damping[:, None, None] * torch.eye(size, dtype=torch.float64, device=own.device)
    rows = weight.double().reshape(groups, -1, size)
    found: Tensor = torch.linalg.solve(own + eye, (both + eye).mT @ rows.mT)
    return found.mT.reshape(weight.shape)


REPAIR = Sequential()
