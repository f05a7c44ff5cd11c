"""The scale of least squared error for symmetric uniform quantization, exactly."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT_LEVELS = 127
"""Largest code (8 bits) for which every break point is swept; beyond, the search is refined."""

_BLOCK = 1 << 20
"""Break points swept at once: bounds memory to some tens of MB."""

_TRIAL = np.geomspace(0.25, 1.0, 9)
"""Fractions of max|w|/q whose errors bound the optimum before the sweep."""

_COARSE = 64
"""Scales tried in each of the two rounds of the search above 8 bits."""

Floats = NDArray[np.float64]


def least_squares_scale(rows: Tensor, top: int) -> Tensor:
    """argmin_s || s clip(round(w / s), -q, q) - w ||^2 for each row w.

    For fixed codes k the best scale is <w,k>/<k,k> and the error ||w||^2 - <w,k>^2/<k,k>; codes
    change only where |w_i|/s = m + 1/2. Up to 8 bits all such break points that can matter are
    sorted and swept, which gives the global optimum; above, where the error is a rounding error
    of about s^2/12 an entry, the best of 128 scales is refined by alternating codes and scale.

    A scale s whose codes stay within q/2 is never better than s/2, and one so small that clipping
    alone costs more than a scale already tried is never optimal: these two bounds leave few
    break points.

    Args:
        rows: (C, k) float64.
        top: largest code q >= 1.

    Returns:
        (C,) float64 scales; 0 for rows of zeros.

    Complexity:
        O(k q log(k q)) a row for the sweep, with a small constant by the bounds above.
    """
    magnitudes = rows.abs().cpu().numpy()
    if rows.shape[1] == 0:
        return torch.zeros(len(rows), dtype=torch.float64)
    peak = magnitudes.max(axis=1)
    scale = np.zeros(len(magnitudes))
    live = np.flatnonzero(peak > 0)
    unit = magnitudes[live] / peak[live, None]
    find = _swept if top <= EXACT_LEVELS else _searched
    scale[live] = find(unit, top) * peak[live]
    return torch.from_numpy(scale).to(rows.device)


def _swept(unit: Floats, top: int) -> Floats:
    """Sweep of all break points, rows scaled to a largest magnitude of 1."""
    low = np.full(len(unit), top / 2.0)
    high = _last_useful(unit, top)
    first = np.minimum(np.rint(unit * low[:, None]), top)
    last = np.floor(np.minimum(unit * high[:, None] + 0.5, float(top)))
    count = np.maximum(last - first, 0).astype(np.int64)
    best = np.empty(len(unit))
    for start, stop in _blocks(count.sum(axis=1)):
        part = slice(start, stop)
        best[part] = _sweep_block(unit[part], first[part], count[part], low[part], top)
    return _alternate(unit, best, top)


def _last_useful(unit: Floats, top: int) -> Floats:
    """Largest t = 1/s worth sweeping: beyond it clipping alone costs more than a known scale."""
    error = np.min([_squared_error(unit, np.full(len(unit), c / top), top) for c in _TRIAL], axis=0)
    clipped, kept = np.zeros(len(unit)), np.ones(len(unit))
    for _ in range(20):
        ceiling = (clipped + kept) / 2
        too_much = (np.maximum(unit - ceiling[:, None], 0) ** 2).sum(axis=1) > error
        clipped = np.where(too_much, ceiling, clipped)
        kept = np.where(too_much, kept, ceiling)
    return top / np.maximum(clipped, 1e-6)


def _blocks(totals: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Row ranges whose padded break-point matrices stay within the block size."""
    width = int(totals.max(initial=0)) + 1
    step = max(1, _BLOCK // width)
    return [(at, min(at + step, len(totals))) for at in range(0, len(totals), step)]


def _sweep_block(
    unit: Floats, first: Floats, count: NDArray[np.int64], low: Floats, top: int
) -> Floats:
    """Best <w,k>/<k,k> over the codes between consecutive break points t = 1/s."""
    total = count.sum(axis=1)
    flat = count.ravel()
    entry = np.repeat(np.arange(flat.size), flat)
    rank = np.arange(entry.size) - np.repeat(np.cumsum(flat) - flat, flat)
    code = first.ravel()[entry] + rank
    magnitude = unit.ravel()[entry]
    row = entry // unit.shape[1]
    column = np.arange(entry.size) - (np.cumsum(total) - total)[row]
    when = np.full((len(unit), int(total.max(initial=0))), np.inf)
    product, square = np.zeros_like(when), np.zeros_like(when)
    when[row, column] = (code + 0.5) / magnitude
    product[row, column] = magnitude
    square[row, column] = 2 * code + 1
    order = np.argsort(when, axis=1)
    start_product, start_square = (unit * first).sum(axis=1), (first * first).sum(axis=1)
    products = _running(start_product, np.take_along_axis(product, order, axis=1))
    squares = _running(start_square, np.take_along_axis(square, order, axis=1))
    gain = np.where(squares > 0, products**2 / np.maximum(squares, 1.0), 0.0)
    pick = gain.argmax(axis=1)[:, None]
    picked = np.take_along_axis(squares, pick, axis=1)[:, 0]
    return np.take_along_axis(products, pick, axis=1)[:, 0] / picked


def _running(start: Floats, steps: Floats) -> Floats:
    return np.cumsum(np.concatenate([start[:, None], steps], axis=1), axis=1)


def _searched(unit: Floats, top: int) -> Floats:
    """Coarse search over 0.05..1.02 of 1/q, a fine one about its best, then refinement."""
    best = np.full(len(unit), 1.0 / top)
    least = _squared_error(unit, best, top)
    centre = np.ones(len(unit))
    for grid in (np.geomspace(0.05, 1.02, _COARSE), np.geomspace(0.95, 1.05, _COARSE)):
        for factor in grid:
            scale = centre * factor / top
            error = _squared_error(unit, scale, top)
            better = error < least
            best[better], least[better] = scale[better], error[better]
        centre = best * top
    return _alternate(unit, best, top)


def _squared_error(unit: Floats, scale: Floats, top: int) -> Floats:
    codes = np.minimum(np.rint(unit / scale[:, None]), top)
    error: Floats = ((codes * scale[:, None] - unit) ** 2).sum(axis=1)
    return error


def _alternate(unit: Floats, scale: Floats, top: int) -> Floats:
    """Codes for the scale, scale for the codes, until nothing changes; the error never grows."""
    for _ in range(20):
        codes = np.minimum(np.rint(unit / scale[:, None]), top)
        square = (codes * codes).sum(axis=1)
        refined = np.where(square > 0, (unit * codes).sum(axis=1) / np.maximum(square, 1.0), scale)
        if np.array_equal(refined, scale):
            break
        scale = refined
    return scale
