"""Parameters and buffers of a network, tied ones once."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn


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


def _place(value: Tensor) -> tuple[object, ...]:
    return value.data_ptr(), value.dtype, value.shape, value.stride()
