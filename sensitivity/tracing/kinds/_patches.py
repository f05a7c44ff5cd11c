"""The inputs that each output position of a convolution reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def patches(
    inputs: Tensor,
    kernel: Sequence[int],
    positions: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """Unfolded inputs, channels innermost: copies run along channels, not along short kernel rows.

    Args:
        inputs: (rows, channels, *spatial).
        kernel: the kernel's sizes.
        positions: the output's sizes.
        stride, padding, dilation: of the convolution, one per spatial dimension.
        groups: of the channels.

    Returns:
        (rows * groups, P, K) with P positions and K = kernel positions * channels / groups; a view
        where the kernel is a single point and the channels are innermost already.
    """
    last = inputs.movedim(1, -1).contiguous()
    if any(padding):
        last = F.pad(last, [0, 0, *(p for pad in reversed(padding) for p in (pad, pad))])
    rows, *steps, _ = last.stride()
    width = last.shape[-1] // groups
    view = last.as_strided(
        (len(last), groups, *positions, *kernel, width),
        (
            rows,
            width,
            *(a * s for a, s in zip(steps, stride, strict=True)),
            *(a * d for a, d in zip(steps, dilation, strict=True)),
            1,
        ),
    )
    return view.reshape(len(last) * groups, math.prod(positions), -1)


def by_position(weights: Tensor) -> Tensor:
    """(n, out, in, *kernel) to (n, out, K) in the order of `patches`; a copy unless stored so."""
    return weights.movedim(2, -1).flatten(2)
