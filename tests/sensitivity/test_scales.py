"""Scales of least squared error against a sweep of every break point, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitknap.sensitivity.quantization.ranges import nearest_codes
from bitknap.sensitivity.quantization.scales import least_squares_scale

Row = NDArray[np.float64]

RANGES = [(-1, 1), *((-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in range(2, 9))]
RANGES += [(-(2 ** (b - 1)) + 1, 2 ** (b - 1) - 1) for b in range(3, 9)]
RANGES += [(-1, 14), (-11, 4), (-1, 127), (-100, 27)]


def random_row(draw: np.random.Generator, longest: int) -> Row:
    size = round(longest ** draw.uniform())
    kind = draw.integers(9)
    row = (
        draw.standard_normal(size),
        draw.laplace(size=size),
        draw.standard_t(1.5, size),
        draw.uniform(0.2, 1, size),
        draw.integers(-4, 5, size) / 3,
        draw.standard_normal(size) * (draw.random(size) < 0.3),
        draw.standard_normal(size) + draw.uniform(-3, 3),
        draw.choice([-1, 1], size) * 10.0 ** draw.uniform(-9, 0, size),
        np.where(np.arange(size) == 0, 50.0, draw.standard_normal(size)),
    )[kind]
    return row * 10.0 ** draw.uniform(-30, 30)


def squared_error(row: Row, scale: float, low: int, high: int) -> float:
    return float(((np.clip(np.rint(row / scale), low, high) * scale - row) ** 2).sum())


def least_error(row: Row, low: int, high: int) -> float:
    """The least error of the scales ⟨w,k⟩/⟨k,k⟩ over the codes k between all break points."""
    least = np.inf
    live = row[row != 0] / np.abs(row).max()
    for sign in (1, -1):
        count = np.where(sign * live > 0, high, -low)
        code = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        size = np.repeat(np.abs(live), count)
        order = np.argsort((code + 0.5) / size)
        top, square = np.cumsum(size[order]), np.cumsum(2.0 * code[order] + 1)
        for place in np.argsort(-(top**2) / square)[:5]:
            scale = sign * top[place] / square[place] * np.abs(row).max()
            least = min(least, squared_error(row, scale, low, high))
    return least


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_no_scale_has_a_smaller_error(low: int, high: int) -> None:
    draw = np.random.default_rng(high - low)
    for trial in range(60):
        row = random_row(draw, 5000 if trial % 10 == 0 else 200)
        if row.any():
            scale = float(least_squares_scale(torch.from_numpy(row)[None], low, high)[0])
            least, power = least_error(row, low, high), float((row**2).sum())
            rounding = 1e-15 * np.sqrt(least) * np.sqrt(power) + 1e-30 * power
            assert squared_error(row, scale, low, high) <= least * (1 + 1e-12) + rounding


def test_rows_do_not_depend_on_their_neighbours() -> None:
    draw = np.random.default_rng(0)
    rows = draw.standard_t(3, (300, 700)) * 10.0 ** draw.uniform(-5, 5, (300, 1))
    rows[::7] = 0
    rows[::5, 600:] = 0
    for low, high in ((-2, 1), (-7, 7), (-128, 127)):
        found = least_squares_scale(torch.from_numpy(rows), low, high)
        alone = [least_squares_scale(torch.from_numpy(row)[None], low, high) for row in rows[:30]]
        assert torch.equal(found[:30], torch.cat(alone))
        assert not found[::7].any()
    assert least_squares_scale(torch.zeros(3, 0, dtype=torch.float64), -2, 1).tolist() == [0, 0, 0]


def test_negating_rows_negates_what_they_are_quantized_to() -> None:
    rows = torch.from_numpy(np.random.default_rng(1).laplace(size=(50, 90)))

    def quantized(rows: Tensor, low: int, high: int) -> Tensor:
        scale = least_squares_scale(rows, low, high)
        return nearest_codes(rows, scale, low, high) * scale[:, None]

    for low, high in ((-2, 1), (-2, 2), (-8, 7), (-1, 14), (-128, 127)):
        found = quantized(rows, low, high)
        assert torch.equal(quantized(-rows, low, high), -found)
        assert torch.equal(quantized(rows, -high, -low), found)
