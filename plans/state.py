"""Parameters and buffers of a network, tied ones once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError


def distinct_state(network: nn.Module, without: Collection[str] = ()) -> dict[str, Tensor]:
    """Name -> parameter or buffer, under the first of its names.

    Args:
        network: its ``state_dict`` is read.
        without: parameters that are left out, under all of their names.
    """
    left = {_place(network.get_parameter(name)) for name in without}
    found: dict[object, tuple[str, Tensor]] = {}
    for name, value in network.state_dict(keep_vars=True).items():
        place = _place(value) if value.numel() else name
        if place not in left:
            found.setdefault(place, (name, value))
    return dict(found.values())


def fill_state(
    network: nn.Module,
    tensors: Callable[[str], Tensor | None],
    path: str | os.PathLike[str],
    shown: Callable[[str], str] = str,
) -> None:
    """Give a network's parameters and buffers the values of a file.

    Args:
        tensors: the file's value of a name, if any.
        path: of the file, for the message.
        shown: a name as the file has it.

    Raises:
        DataError: the file lacks one, or has it in another shape.
    """
    with torch.no_grad():
        for name, value in distinct_state(network).items():
            tensor = tensors(name)
            if tensor is None or tensor.shape != value.shape:
                raise DataError(
                    f"{path}: the file has no {shown(name)} of shape {tuple(value.shape)}; load it "
                    "into the architecture that was exported"
                )
            value.copy_(tensor)


def _place(value: Tensor) -> tuple[object, ...]:
    return value.data_ptr(), value.dtype, value.shape, value.stride()
