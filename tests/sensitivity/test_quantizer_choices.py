"""Schemes, granularities, scales and sizes of the weight quantizers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from bitknap.problems import DataError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.quantization import ranges
from bitknap.sensitivity.quantization.quantizers import ALLOWED
from bitknap.sensitivity.quantization.ranges import (
    affine_grid,
    affine_least_squares,
    ends_of,
    squared_error,
)

WEIGHT = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(4)) + 0.3


def fake_quantized(weight: Tensor, bits: int, axis: int | None, scheme: str) -> Tensor:
    """The min-max round trip by torch's own observers' rules and fake quantization."""
    double = weight.double()
    rows = double.reshape(1, -1) if axis is None else double.movedim(axis, 0).flatten(1)
    if scheme == "affine":
        low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
        first, last = 0, 2**bits - 1
        scale = ((high - low) / last).float()
        zero = torch.round(-low / scale.double()).int()
    else:
        first, last = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        scale = (rows.abs().amax(1) / last).float()
        zero = torch.zeros(len(rows), dtype=torch.int32)
    if axis is None:
        return torch.fake_quantize_per_tensor_affine(weight, float(scale), int(zero), first, last)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, axis, first, last)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_round_trips_equal_torch_s_fake_quantization(bits: int, scheme: str) -> None:
    for axis in (None, 0, 1):
        quantizer = Quantizer.parse(
            f"{scheme},scale=minmax,{'channel' if axis is not None else 'tensor'}"
        )
        expected = fake_quantized(WEIGHT, bits, axis, scheme)
        assert torch.equal(quantizer(WEIGHT, bits, dim=axis or 0), expected)


@pytest.mark.parametrize("words", ["symmetric", "affine", "affine,scale=minmax", "percentile=95"])
def test_groups_are_quantized_on_their_own(words: str) -> None:
    quantizer, whole = Quantizer.parse(f"{words},group=4"), Quantizer.parse(words)
    for bits in (2, 3, "ternary"):
        found = quantizer(WEIGHT, bits).reshape(6, 15)
        for start in range(0, 15, 4):
            part = WEIGHT.reshape(6, 15)[:, start : start + 4]
            assert torch.equal(found[:, start : start + 4], whole(part, bits))
        across = quantizer(WEIGHT, bits, dim=2)
        assert torch.equal(across, quantizer(WEIGHT.movedim(2, 0), bits).movedim(0, 2))
    codes, scale = quantizer.encode(WEIGHT, 3)
    assert codes.shape == (6, 15)
    assert scale.shape == (6, 4)
    assert quantizer.scales(WEIGHT.shape) == 24
    assert torch.equal(Quantizer.parse("group=15")(WEIGHT, 3), Quantizer()(WEIGHT, 3))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_affine_least_squares_is_the_global_optimum(bits: int) -> None:
    draw = np.random.default_rng(bits)
    top = 2**bits - 1
    for trial in range(25):
        row = draw.standard_normal(int(draw.integers(2, 12))) + draw.uniform(-2, 2)
        row = np.abs(row) if trial % 5 == 0 else -np.abs(row) if trial % 5 == 1 else row
        points = np.unique(
            np.concatenate([(np.arange(top) + 0.5)[:, None] / np.abs(row)], axis=None)
        )
        between = np.concatenate(
            [[points[0] / 2], (points[1:] + points[:-1]) / 2, [2 * points[-1]]]
        )
        best = np.inf
        for zero in range(top + 1):
            codes = np.clip(np.rint(row * between[:, None]), -zero, top - zero)
            square = np.maximum((codes**2).sum(axis=1), 1)
            best = min(best, (row**2).sum() - ((codes @ row) ** 2 / square).max())
        rows = torch.from_numpy(row)[None]
        error = float(squared_error(rows, affine_least_squares(rows, bits)))
        assert error <= best + 1e-6 * (row**2).sum()


def test_more_bits_come_close_to_all_zero_points(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    rows = torch.from_numpy(draw.laplace(size=(4, 150)) + draw.uniform(-2, 2, (4, 1)))
    for bits in (5, 6):
        found = squared_error(rows, affine_least_squares(rows, bits))
        ranged = squared_error(rows, affine_grid(*ends_of(rows, None), bits))
        with monkeypatch.context() as patch:
            patch.setattr(ranges, "EXACT_AFFINE_BITS", bits)
            exact = squared_error(rows, affine_least_squares(rows, bits))
        assert bool((found <= ranged).all())
        assert bool((found <= 1.02 * exact).all())
        assert float(found.sum()) < float(ranged.sum())


def test_a_percentile_clips_what_lies_outside() -> None:
    rows = torch.arange(-50.0, 150.0)[None].double()
    low, high = ends_of(rows, 90)
    assert (float(low), float(high)) == (-40, 139)
    clipped = Quantizer.parse("affine,percentile=90")(rows, 8)
    assert float(clipped.max()) == pytest.approx(139, abs=0.5)
    symmetric = Quantizer.parse("percentile=90")(rows, 8)
    assert float(symmetric.max()) == pytest.approx(129, abs=0.6)
    assert torch.equal(
        Quantizer.parse("percentile=100")(rows, 4), Quantizer.parse("scale=minmax")(rows, 4)
    )


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_ternary_and_float(scheme: str) -> None:
    quantizer = Quantizer.parse(scheme)
    codes, scale = quantizer.encode(WEIGHT, "ternary")
    assert set(codes.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert bool((scale > 0).all())
    assert torch.equal(quantizer(WEIGHT, "ternary"), Quantizer(range="narrow")(WEIGHT, 2))
    assert torch.equal(quantizer(WEIGHT, "float"), WEIGHT)
    assert quantizer(WEIGHT, "float") is not WEIGHT


@pytest.mark.parametrize(
    ("words", "choice", "bits"),
    [
        ("channel", 4, 90 * 4 + 6 * 32),
        ("tensor", 16, 90 * 16 + 32),
        ("affine", 4, 90 * 4 + 6 * (32 + 4)),
        ("affine,tensor", 3, 90 * 3 + 32 + 3),
        ("group=4", 2, 90 * 2 + 24 * 32),
        ("affine,group=4", 2, 90 * 2 + 24 * 34),
        ("channel", "ternary", 18 * 8 + 6 * 32),
        ("affine", "ternary", 18 * 8 + 6 * 32),
        ("affine,group=4", "float", 90 * 32),
    ],
)
def test_sizes_are_codes_scales_and_zero_points(words: str, choice: int | str, bits: int) -> None:
    assert Quantizer.parse(words).size_bits((6, 5, 3), choice) == bits
    assert Quantizer().size_bits((7,), "ternary") == 2 * 8 + 32


def test_every_combination_keeps_shape_levels_and_zeros() -> None:
    weight = WEIGHT.clone()
    weight[2] = 0
    fields = [ALLOWED[name] for name in ("granularity", "scheme", "scale")]
    for granularity, scheme, scale in itertools.product(*fields):
        grouped = "group=7" if granularity == "group" else granularity
        quantizer = Quantizer.parse(f"{grouped},{scheme},{scale}")
        for choice in ("ternary", 2, 8, 16):
            found = quantizer(weight, choice)
            assert found.shape == weight.shape
            assert found.dtype == weight.dtype
            assert not found[2].any()
            levels = 3 if choice == "ternary" else 2 ** int(choice)
            if granularity == "tensor":
                assert len(found.unique()) <= levels
        assert float((quantizer(weight, 16) - weight).abs().max()) < 1e-3 * float(
            weight.abs().max()
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("afine", "--quantizer is made of channel tensor group, .* got 'afine'"),
        ("group", "granularity group goes with a group size"),
        ("group=0", "granularity group goes with a group size"),
        ("group=x", "got 'group=x'"),
        ("affine,narrow", "narrow range is one of symmetric codes"),
        ("percentile=40", "percentile must be above 50"),
        ("", "got ''"),
    ],
)
def test_flawed_words_are_named(words: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Quantizer.parse(words)


def test_a_description_names_what_differs_and_no_more() -> None:
    assert Quantizer().describe() == {
        "name": "symmetric",
        "scale": "least squares",
        "granularity": "channel",
        "range": "full",
    }
    grouped = Quantizer.parse("affine,group=64,percentile=99.5").describe()
    assert grouped["group_size"] == "64"
    assert grouped["percentile"] == "99.5"
    assert grouped["name"] == "affine"
