"""The scale of least squared error for symmetric uniform quantization, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT_LEVELS = 128
"""Largest code (8 bits) up to which the search is exact; beyond, the best of some is refined."""

_BLOCK = 1 << 16
"""Entries worked on at once: they stay in the cache."""

_FINE = 32
"""Intervals of t are halved until they hold some four break points, or one per so many entries."""

_TRIAL = np.geomspace(0.05, 1.0, 33)
"""Fractions of the largest magnitude over the largest code that are tried beyond."""

_STRIDE = 4
"""Every so many of them are tried at first, and their neighbours in rows beyond ``_SHORT``."""

_SHORT = 1 << 15
"""Entries times levels."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def least_squares_scale(rows: Tensor, low: int, high: int) -> Tensor:
    """argmin_s || s clip(round(w / s), low, high) - w ||^2 for each row w.

    With t = 1/s and D(t) = || tw - clip(round(tw)) ||^2 the error is D(t) / t^2, and
    h(t) = t^2 ||w||^2 - D(t) = max_k 2t⟨w,k⟩ - ⟨k,k⟩ over all codes k. A maximum of linear
    functions is convex, so that h is below its chord between any two t, which bounds the error
    between them from below. Intervals of t are halved and left out where this bound exceeds the
    least error known. What is left holds few break points, |w_i| t = m + 1/2, the only t at which
    codes change; they are sorted and swept. For fixed codes the best scale is ⟨w,k⟩/⟨k,k⟩.

    The search starts from all t that matter: a scale whose codes stay within half of the range is
    never better than its half, and h(t) <= 2t sum_i |w_i k_i|.

    Where the range is lopsided, -low != high, the scale may be negative, which gives the longer
    side to the positive entries; both signs are tried.

    The result is the global optimum for codes up to ``EXACT_LEVELS``. Above, where the error is a
    rounding error of about s^2/12 per entry, it is max|w|/q or the best of 33 scales about the
    best of 33 trial scales, refined by alternating codes and scale.

    Args:
        rows: (C, k) float64.
        low: smallest code, <= -1.
        high: largest code, >= 1.

    Returns:
        (C,) float64 scales; 0 for rows of zeros.

    Complexity:
        Some 20 evaluations of D per row at 2 bits, 60 at 6 bits and 140 at 8 bits, for weights
        that are about normal; space O(k).
    """
    values = rows.cpu().numpy()
    scale = np.zeros(len(values))
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    search = _exact if max(-low, high) <= EXACT_LEVELS else _searched

    def block(start: int) -> None:
        part = values[start : start + step]
        peak = np.abs(part).max(axis=1)
        live = np.flatnonzero(peak > 0)
        if live.size:
            unit = part[live] / peak[live, None]
            scale[start + live] = search(unit, low, high) * peak[live]

    starts = range(0, len(values) if rows.shape[1] else 0, step)
    threads = min(torch.get_num_threads(), len(starts))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        list(pool.map(block, starts))
    return torch.from_numpy(scale).to(rows.device)


def _exact(unit: Floats, low: int, high: int) -> Floats:
    """Best scale of either sign of rows whose largest magnitude is 1."""
    row, side, left, right = _intervals(unit, low, high)
    first, last = np.where(side == 0, 1.0, -1.0) * np.stack([left, right])
    scale, error = np.empty_like(first), np.empty_like(first)
    for part in _parts(len(row), unit.shape[1]):
        scale[part], error[part] = _swept(unit[row[part]], first[part], last[part], low, high)
    order = np.lexsort((side, error, row))
    best = order[np.searchsorted(row[order], np.arange(len(unit)))]
    return _alternate(unit, scale[best], low, high, rounds=1)


def _intervals(unit: Floats, low: int, high: int) -> tuple[Indices, Indices, Floats, Floats]:
    """Row, sign (0 or 1) and both ends of each interval of t that may hold a row's best scale."""
    single, count, power = unit.astype(np.float32), unit.shape[1], _dot(unit, unit)
    mass, least = np.sqrt(count * power), power.copy()

    def point(row: Indices, t: Floats) -> Floats:
        """t and D(t) for each sign."""
        t = t.astype(np.float32).astype(np.float64)
        found = np.vstack([t, _rounding(single, row, t, low, high)])
        np.minimum.at(least, row, found[1:].min(axis=0) / (t * t))
        return found

    def hopeful(row: Indices, left: Floats, right: Floats) -> NDArray[np.bool_]:
        known = least * (1 + 2e-4 + 2e-9 * count) + 1e-12 * power
        found: NDArray[np.bool_] = _bound(left, right, power[row]) <= known[row]
        return found

    row, short = np.arange(len(unit)), min(-low, high)
    left, middle = (point(row, np.full(len(unit), t)) for t in (short // 2 + 0.5, float(short)))
    right = point(row, 2.001 * max(-low, high) * mass / (power - least))
    narrow = []
    while len(row):
        row = np.concatenate([row, row])
        left, right = np.hstack([left, middle]), np.hstack([middle, right])
        keep = np.flatnonzero(hopeful(row, left, right).any(axis=0))
        row, left, right = row[keep], left[:, keep], right[:, keep]
        width = right[0] - left[0]
        few = (width * mass[row] <= max(4, count / _FINE)) | (width <= 1e-6 * left[0])
        narrow.append((row[few], left[:, few], right[:, few]))
        row, left, right = row[~few], left[:, ~few], right[:, ~few]
        middle = point(row, np.sqrt(left[0] * right[0]))
    row, left, right = (np.concatenate(parts, axis=-1) for parts in zip(*narrow, strict=True))
    side, which = np.nonzero(hopeful(row, left, right))
    return row[which], side, left[0, which], right[0, which]


def _bound(left: Floats, right: Floats, power: Floats) -> Floats:
    """Lower bound on D(t) / t^2 between two t by the chord of h, less what float32 rounds away."""
    (a, *_), (b, *_), at_a, at_b = left, right, left[1:], right[1:]
    slope = (at_b - at_a) / (b - a)
    t = 2 * (power * a * b + at_a - a * slope) / (power * (a + b) - slope)
    np.minimum(np.maximum(t, a, out=t), b, out=t)
    bound: Floats = (at_a + (t - a) * (slope - power * (b - t))) / (t * t)
    worst = np.maximum(at_a.max(axis=0) / (a * a), at_b.max(axis=0) / (b * b))
    bound -= 5e-7 * np.sqrt(power * worst)
    return bound


def _rounding(values: NDArray[Any], row: Indices, t: Floats, low: int, high: int) -> Floats:
    """(1 or 2, P) D(t) of P rows for each sign, computed in the values' type."""
    sides = [(low, high)] if -low == high else [(low, high), (-high, -low)]
    found = np.empty((len(sides), len(row)))
    order, inside = np.argsort(t), min(-low, high) + 0.5
    for slots in _parts(len(row), values.shape[1]):
        part = order[slots]
        exact = values[row[part]]
        exact *= t[part, None].astype(values.dtype)
        codes = np.rint(exact)
        if t[part[-1]] <= inside:  # no code is clipped
            codes -= exact
            found[:, part] = _dot(codes, codes)
            continue
        clipped = np.empty_like(codes)
        for place, (least, most) in enumerate(sides):
            np.clip(codes, least, most, out=clipped)
            clipped -= exact
            found[place, part] = _dot(clipped, clipped)
    return found


def _swept(rows: Floats, first: Floats, last: Floats, low: int, high: int) -> tuple[Floats, Floats]:
    """Best scale ⟨w,k⟩/⟨k,k⟩ over the codes that rows have between t = first and last, and error.

    Let y = first w have the codes k. A break point passed after it, from code m to m + 1, adds
    2m + 1 to u and |y_i| to v: the error of the codes k' with their best scale is then
    first^-2 (||y - k||^2 + u - 2v - p^2 / ⟨k',k'⟩), where p = ⟨y - k, k⟩ + v - u and
    ⟨k',k'⟩ = ⟨k,k⟩ + u. Nothing large cancels.
    """
    exact = rows * first[:, None]
    codes, ends = (np.clip(np.rint(x), low, high) for x in (exact, rows * last[:, None]))
    entry = np.flatnonzero(codes != ends)
    code, size = np.abs(codes.ravel()[entry]), np.abs(exact.ravel()[entry])
    steps = (np.abs(ends.ravel()[entry]) - code).astype(np.intp)
    row, code, size = (np.repeat(x, steps) for x in (entry // rows.shape[1], code, size))
    code += np.arange(len(code)) - np.repeat(np.cumsum(steps) - steps, steps)
    # Of each row what its break points add, v the real part and u the imaginary one, so that one
    # pass puts both in order and one adds them up.
    total = np.bincount(row, minlength=len(rows))
    when = np.full((len(rows), int(total.max()) + 1), np.inf)
    sums = np.zeros(when.shape, dtype=np.complex128)
    place = row, 1 + np.arange(len(row)) - (np.cumsum(total) - total)[row]
    when[:, 0], when[place] = 0, (code + 0.5) / size
    sums[place] = size + 1j * (2 * code + 1)
    sums = np.take_along_axis(sums, np.argsort(when, axis=1), axis=1)
    np.cumsum(sums, axis=1, out=sums)
    v, u = sums.real, sums.imag
    exact -= codes
    along = _dot(exact, codes)[:, None] + v - u
    square = np.maximum(_dot(codes, codes)[:, None] + u, 1)
    error = _dot(exact, exact)[:, None] + u - 2 * v - along * along / square
    best = np.arange(len(rows)), error.argmin(axis=1)
    return (1 + along[best] / square[best]) / first, error[best] / first**2


def _searched(unit: Floats, low: int, high: int) -> Floats:
    """max|w|/q or the best of 33 scales about the best trial, refined; the better sign's."""
    single = unit.astype(np.float32)
    found = []
    for sign in (1,) if -low == high else (1, -1):
        trial = sign / max(-low, high) * _TRIAL
        place = np.arange(0, len(trial), _STRIDE)
        errors = [_squared_error(single, np.full(len(unit), trial[at]), low, high) for at in place]
        best = coarse = place[np.argmin(errors, axis=0)]
        least = np.min(errors, axis=0)
        few = unit.shape[1] * max(-low, high) <= _SHORT
        for step in () if few else (*range(1 - _STRIDE, 0), *range(1, _STRIDE)):
            near = np.clip(coarse + step, 0, len(trial) - 1)
            error = _squared_error(single, trial[near], low, high)
            best, least = np.where(error < least, near, best), np.minimum(error, least)
        centre, scale = trial[best], np.full(len(unit), sign / min(-low, high))
        least = _squared_error(unit, scale, low, high)
        for factor in np.geomspace(0.9, 1.1, 33):
            error = _squared_error(unit, centre * factor, low, high)
            scale = np.where(error < least, centre * factor, scale)
            least = np.minimum(error, least)
        scale = _alternate(unit, scale, low, high, rounds=20)
        found.append((_squared_error(unit, scale, low, high), scale))
    (least, scale), (error, other) = found[0], found[-1]
    return np.where(least <= error, scale, other)


def _squared_error(unit: NDArray[Any], scale: Floats, low: int, high: int) -> Floats:
    step = scale[:, None].astype(unit.dtype)
    codes = unit / step
    np.clip(np.rint(codes, out=codes), low, high, out=codes)
    codes *= step
    codes -= unit
    return _dot(codes, codes).astype(np.float64)


def _alternate(unit: Floats, scale: Floats, low: int, high: int, rounds: int) -> Floats:
    """Codes for the scale, scale for the codes, until nothing changes; the error never grows."""
    for _ in range(rounds):
        codes = unit / scale[:, None]
        np.clip(np.rint(codes, out=codes), low, high, out=codes)
        square = (codes * codes).sum(axis=1)
        refined: Floats = np.where(
            square > 0, (unit * codes).sum(axis=1) / np.maximum(square, 1.0), scale
        )
        if np.array_equal(refined, scale):
            break
        scale = refined
    return scale


def _dot(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Inner products of the rows."""
    found: NDArray[Any] = np.matmul(left[:, None, :], right[:, :, None])[:, 0, 0]
    return found


def _parts(count: int, width: int) -> Iterator[slice]:
    """Slices of so many rows that fit the cache."""
    step = max(1, _BLOCK // width)
    return (slice(start, start + step) for start in range(0, count, step))
