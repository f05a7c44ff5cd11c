"""Scales that follow from a range of values, and zero points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .scales import least_squares_scale

EXACT_AFFINE_BITS = 4
"""Bit-widths up to which every zero point is tried for the least squared error."""

NEIGHBOURS = 2
"""Zero points tried on each side of the best of the coarse search, above those bit-widths."""

_SHRINK = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Fractions of either end of the range that the coarse search tries."""

Grid = tuple[Tensor, Tensor, Tensor]
"""(R,) scale and (R,) smallest and largest level of each row: Q(w) = s clip(round(w/s), low, high).

With a zero point z, codes of b bits run from 0 to 2^b - 1, so low = -z and high = 2^b - 1 - z.
"""


def nearest_codes(rows: Tensor, scale: Tensor, low: int | Tensor, high: int | Tensor) -> Tensor:
    """clip(round(w / s), low, high) row by row; zeros where the scale is zero."""
    safe = torch.where(scale != 0, scale, torch.ones_like(scale))
    codes = torch.round(rows / safe[:, None])
    if isinstance(low, Tensor) and isinstance(high, Tensor):
        return codes.clamp_(low[:, None], high[:, None])
    return codes.clamp_(low, high)  # type: ignore[arg-type]


def ends_of(rows: Tensor, percentile: float | None) -> tuple[Tensor, Tensor]:
    """(R,) ends of each row's range, 0 included.

    Args:
        percentile: None for the smallest and the largest entry. Otherwise the middle
            ``percentile`` per cent, both ends by nearest rank.
    """
    if percentile is None:
        low, high = rows.amin(dim=1), rows.amax(dim=1)
    else:
        count = rows.shape[1]
        cut = math.floor((100 - percentile) * count / 200)
        low = rows.kthvalue(cut + 1, dim=1).values
        high = rows.kthvalue(count - cut, dim=1).values
    return low.clamp_(max=0), high.clamp_(min=0)


def symmetric_scale(rows: Tensor, top: int, percentile: float | None) -> Tensor:
    """(R,) scale whose largest code reaches the largest magnitude, or a percentile of it."""
    _, reach = ends_of(rows.abs(), percentile if percentile is None else 2 * percentile - 100)
    return stored(reach / top)


def affine_grid(low: Tensor, high: Tensor, bits: int) -> Grid:
    """The grid of b-bit codes that covers a range with 0 in it, which stays exact.

    s = (high - low) / (2^b - 1), z = round(-low / s): the convention of `torch.ao.quantization`.
    """
    top = 2**bits - 1
    scale = stored((high - low) / top)
    zero = torch.where(scale > 0, torch.round(-low / scale), torch.zeros_like(scale))
    zero = zero.clamp_(0, top)
    return scale, -zero, top - zero


def affine_least_squares(rows: Tensor, bits: int) -> Grid:
    """Scale and zero point of least squared error, row by row.

    For a given zero point the best scale is exact, see `least_squares_scale`; all zero points are
    tried up to ``EXACT_AFFINE_BITS``, which gives the global optimum. Above, those within
    ``NEIGHBOURS`` of the best of a search over shrunken ranges.
    """
    top = 2**bits - 1
    if bits <= EXACT_AFFINE_BITS:
        # The search for a scale tries both signs, and with them z and 2^b - 1 - z but for the ends.
        tried = [torch.full_like(rows[:, 0], zero) for zero in (*range(top // 2 + 1), top)]
    else:
        near = _coarse_zero(rows, bits)
        steps = range(-NEIGHBOURS, NEIGHBOURS + 1)
        tried = [(near + step).clamp_(0, top) for step in steps]
    best = affine_grid(*ends_of(rows, None), bits)
    least = squared_error(rows, best)
    for zeros in tried:
        grid = _best_scale(rows, zeros, top)
        error = squared_error(rows, grid)
        better = error < least
        least = torch.where(better, error, least)
        best = tuple(torch.where(better, new, old) for new, old in zip(grid, best, strict=True))  # type: ignore[assignment]
    return best


def _best_scale(rows: Tensor, zeros: Tensor, top: int) -> Grid:
    """The best positive scale of each row for its zero point."""
    scale = torch.zeros_like(zeros)
    for zero in sorted(set(zeros.tolist())):
        at = zeros == zero
        low, high = -int(zero), top - int(zero)
        part = rows[at]
        if low == 0:
            scale[at] = least_squares_scale(part.clamp(min=0), -high, high)
        elif high == 0:
            scale[at] = least_squares_scale((-part).clamp(min=0), low, -low)
        else:
            scale[at] = least_squares_scale(part, low, high)
    # A negative scale is the mirrored zero point with a positive one.
    mirrored = scale < 0
    least = torch.where(mirrored, zeros - top, -zeros)
    return stored(scale.abs()), least, least + top


def _coarse_zero(rows: Tensor, bits: int) -> Tensor:
    """Zero point of the best of the shrunken ranges."""
    low, high = ends_of(rows, None)
    zero = torch.zeros_like(low)
    least = torch.full_like(low, torch.inf)
    for left in _SHRINK:
        for right in _SHRINK:
            grid = affine_grid(left * low, right * high, bits)
            error = squared_error(rows, grid)
            zero = torch.where(error < least, -grid[1], zero)
            least = torch.minimum(error, least)
    return zero


def squared_error(rows: Tensor, grid: Grid) -> Tensor:
    """(R,) || Q(w) - w ||^2."""
    scale, low, high = grid
    codes = nearest_codes(rows, scale, low, high)
    return codes.mul_(scale[:, None]).sub_(rows).square_().sum(dim=1)


def stored(scale: Tensor) -> Tensor:
    """The scale as it is stored, rounded to float32."""
    return scale.float().to(scale.dtype)
