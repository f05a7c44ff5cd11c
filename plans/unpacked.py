"""Load a packed network back into its architecture."""

from __future__ import annotations

import os

from torch import nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.folding import plain_copy

from .apply import quantize_inputs
from .layer_plan import plan_of
from .packed import read_packed


def load_packed(model: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """A copy of a network with the weights, buffers and activation grids of a packed one.

    Bit for bit what `apply_plan` gave. The file's plan need not fit the weights of ``model``, which
    are all replaced.

    Args:
        model: of the architecture that was packed; not changed.
        path: the file.

    Raises:
        DataError: the file is not a packed network, or one of another architecture.
    """
    state, document = read_packed(path)
    network = plain_copy(model).eval()
    known = network.state_dict()
    for name, value in state.items():
        if name not in known or known[name].shape != value.shape:
            raise DataError(
                f"{path}: the network has no {name} of shape {tuple(value.shape)}; load it into "
                "the architecture that was packed"
            )
    network.load_state_dict(state, strict=False)
    plan = plan_of(document)
    quantize_inputs(network, plan.table, plan.items.tolist())
    return network
