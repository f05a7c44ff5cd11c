"""Quantizers against brute force over every scale that changes a code."""

import numpy as np
import pytest
import torch

from bitknap.problems.errors import DataError
from bitknap.sensitivity.quantization.quantizers import Quantizer, nearest_codes
from bitknap.sensitivity.quantization.scales import least_squares_scale


def least_error(row, low, high):
    """Least squared error over the codes between consecutive break points, for either sign."""
    live = np.abs(row[row != 0])
    points = np.unique(np.concatenate([(m + 0.5) / live for m in range(-low)]))
    between = np.concatenate([[points[0] / 2], (points[1:] + points[:-1]) / 2, [points[-1] * 2]])
    gains = []
    for sign in (1, -1):
        codes = np.clip(np.rint(sign * row * between[:, None]), low, high)
        square = np.maximum((codes**2).sum(axis=1), 1)
        gains.append(((codes @ row) ** 2 / square).max())
    return (row**2).sum() - max(gains)


def quantization_error(row, low, high):
    tensor = torch.from_numpy(row)[None]
    scale = least_squares_scale(tensor, low, high)
    quantized = nearest_codes(tensor, scale, low, high) * scale[:, None]
    return float((quantized - tensor).square().sum())


@pytest.mark.parametrize("spread", ["full", "narrow"])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_scale_is_the_global_optimum(bits, spread):
    draw = np.random.default_rng(bits)
    low, high = Quantizer(range=spread).codes(bits)
    for trial in range(60):
        size = int(draw.integers(1, 40))
        row = draw.standard_normal(size) * 10.0 ** draw.uniform(-30, 30)
        if trial % 3 == 0:
            row = draw.integers(-5, 6, size).astype(float) + (trial % 2)
        if trial % 4 == 1:
            row = np.abs(row)
        if not row.any():
            continue
        error = quantization_error(row, low, high)
        assert error - least_error(row, low, high) <= 1e-13 * (row**2).sum()


@pytest.mark.parametrize(("bits", "size"), [(4, 5000), (6, 1100), (8, 300), (8, 2000)])
def test_no_trial_scale_of_a_long_row_has_a_smaller_error(bits, size):
    draw = np.random.default_rng(bits)
    low, high = Quantizer().codes(bits)
    for row in (draw.standard_normal(size), draw.laplace(size=size), draw.uniform(-1, 1, size)):
        exact = np.inf
        scales = np.geomspace(0.1, 2, 4000) / high * np.abs(row).max()
        for part in np.array_split(np.concatenate([scales, -scales]), 80):
            codes = np.clip(np.rint(row / part[:, None]), low, high)
            gain = (codes @ row) ** 2 / np.maximum((codes**2).sum(axis=1), 1)
            exact = min(exact, float((row**2).sum() - gain.max()))
        assert quantization_error(row, low, high) <= exact * (1 + 1e-10)


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_search_beats_the_largest_magnitude_rule(bits):
    draw = torch.Generator().manual_seed(bits)
    rows = torch.randn(20, 500, generator=draw, dtype=torch.float64)
    rows[0, 0] = 1000
    low, high = Quantizer().codes(bits)
    scale = least_squares_scale(rows, low, high)
    plain = rows.abs().amax(dim=1) / high

    def error(s):
        return (nearest_codes(rows, s, low, high) * s[:, None] - rows).square().sum(dim=1)

    assert bool((error(scale) <= error(plain)).all())
    assert float(error(scale)[1:].sum()) < 0.98 * float(error(plain)[1:].sum())


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_shapes_levels_and_degenerate_channels(granularity):
    weight = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(1))
    weight[1] = 0
    weight[2] = 0.3
    quantizer = Quantizer(granularity)
    for bits in (2, 4, 16):
        result = quantizer(weight, bits)
        assert result.shape == weight.shape
        assert result.dtype == weight.dtype
        assert not result[1].any()
        if granularity == "channel":
            assert torch.allclose(result[2], weight[2])
        codes, scale = quantizer.encode(weight, bits)
        assert -(2 ** (bits - 1)) <= int(codes.min()) <= int(codes.max()) < 2 ** (bits - 1)
        narrow = Quantizer(granularity, "narrow").encode(weight, bits)[0]
        assert int(narrow.abs().max()) <= 2 ** (bits - 1) - 1
        assert len(scale) == quantizer.scales(weight.shape)
    assert Quantizer("tensor")(weight.mT, 3).mT.equal(Quantizer("tensor")(weight, 3))


def test_channel_dimension_and_quantizing_twice():
    weight = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(2))
    quantizer = Quantizer()
    across = quantizer(weight, 3, dim=1)
    assert torch.equal(across, quantizer(weight.transpose(0, 1), 3).transpose(0, 1))
    assert torch.allclose(quantizer(across, 3, dim=1), across, rtol=1e-6)


def test_sizes():
    assert Quantizer().size_bits((16, 3, 3, 3), 4) == 432 * 4 + 16 * 32
    assert Quantizer("tensor").size_bits((16, 3, 3, 3), 4) == 432 * 4 + 32
    assert Quantizer().size_bits((3, 5, 2), 2, dim=1) == 60 + 5 * 32


@pytest.mark.parametrize("bits", [1, 17, 2.5, True, "4"])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(DataError, match="from 2 to 16"):
        Quantizer()(torch.ones(2, 2), bits)


def test_non_finite_weights_and_unknown_granularity_are_refused():
    with pytest.raises(DataError, match="NaN or infinite"):
        Quantizer()(torch.tensor([[1.0, float("inf")]]), 4)
    with pytest.raises(DataError, match="'channel' or 'tensor'"):
        Quantizer("row")
    with pytest.raises(DataError, match="'full' or 'narrow'"):
        Quantizer(range="wide")


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_full_range_is_never_worse_and_uses_either_sign(bits):
    weight = torch.randn(200, 30, generator=torch.Generator().manual_seed(bits)).double()
    full, narrow = ((Quantizer(range=r)(weight, bits) - weight) ** 2 for r in ("full", "narrow"))
    assert bool((full.sum(dim=1) <= narrow.sum(dim=1) * (1 + 1e-12)).all())
    assert float(full.sum()) < float(narrow.sum())
    scale = Quantizer().encode(weight, bits)[1]
    assert 50 < int((scale < 0).sum()) < 150
    assert bool((Quantizer(range="narrow").encode(weight, bits)[1] > 0).all())
