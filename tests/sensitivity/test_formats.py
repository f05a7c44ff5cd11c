"""Formats of weights: bytes, errors and sizes against references and other libraries."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.quantization import formats
from bitknap.sensitivity.quantization.channels import Channels
from bitknap.sensitivity.quantization.choices import (
    by_size,
    code_bits,
    parse_choices,
    parse_label,
    rate,
)
from bitknap.sensitivity.quantization.formats import format_labels, format_of
from bitknap.sensitivity.quantization.quantizers import encode_format

GGUF = [label for label in format_labels() if label.startswith("gguf:")]
FLOATS = ["fp8_e4m3", "mxfp4", "nvfp4"]
E2M1 = [sign * size for sign in (1, -1) for size in (0, 0.5, 1, 1.5, 2, 3, 4, 6)]
E4M3 = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).double()


def installed(label: str) -> None:
    if label in GGUF:
        pytest.importorskip("gguf", reason="pip install 'bitknap[gguf]'")


def weight(rows: int = 6, width: int = 96, seed: int = 0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) * 0.07


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Of the levels the one next to each value, by trying all."""
    away = (values[..., None] - levels).abs().nan_to_num(nan=math.inf)
    return levels[away.argmin(dim=-1)]


def reference(label: str, rows: Tensor) -> Tensor:
    """The definition in float64, block by block."""
    out, levels = rows.double().clone(), torch.tensor(E2M1, dtype=torch.float64)
    if label == "fp8_e4m3":
        for row in out:
            scale = float(np.float32(row.abs().max() / 448))
            row[:] = scale * nearest(row / scale, E4M3)
        return out
    tensor = float(out.abs().max()) / (448 * 6)
    for row in out:
        for block in row.split(32 if label == "mxfp4" else 16):
            peak = float(block.abs().max())
            if label == "mxfp4":
                scale = 2.0 ** (math.floor(math.log2(peak)) - 2)
            else:
                share = torch.tensor(peak / 6 / tensor, dtype=torch.float64)
                scale = tensor * float(nearest(share, E4M3))
            block[:] = scale * nearest(block / scale, levels)
    return out


@pytest.mark.parametrize("label", FLOATS)
@pytest.mark.parametrize("width", [96, 41])
def test_floats_are_those_of_the_definition(label: str, width: int) -> None:
    given = weight(width=width)
    found = Quantizer()(given, label)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), reference(label, given), rtol=1e-6, atol=0)


def test_fp8_is_torch_s_cast() -> None:
    given = weight()
    scale = given.abs().amax(dim=1, keepdim=True) / 448
    cast = (given / scale).to(torch.float8_e4m3fn)
    assert torch.equal(Quantizer()(given, "fp8_e4m3"), cast.float() * scale)


@pytest.mark.filterwarnings("ignore")
def test_mxfp4_has_torchao_s_bytes() -> None:
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    given = weight()
    given[2, 32:64] = 0
    scale, codes = mx.to_mx(given, torch.float4_e2m1fn_x2, 32)
    data = torch.cat([scale.view(torch.uint8).flatten(), codes.view(torch.uint8).flatten()])
    assert torch.equal(encode_format(given, format_of("mxfp4"), 0), data)
    theirs = mx.MXTensor.to_mx(given, torch.float4_e2m1fn_x2, 32).dequantize(torch.float32)
    assert torch.equal(Quantizer()(given, "mxfp4"), theirs)


@pytest.mark.filterwarnings("ignore")
def test_nvfp4_has_torchao_s_bytes() -> None:
    nv = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")
    given = weight()
    given[2, 32:64] = 0
    tensor = nv.per_tensor_amax_to_scale(given.abs().max())
    scale, codes = nv.nvfp4_quantize(given, 16, tensor)
    data = [tensor.reshape(1), scale.flatten(), codes.flatten()]
    data = torch.cat([part.view(torch.uint8) for part in data])
    assert torch.equal(encode_format(given, format_of("nvfp4"), 0), data)
    theirs = nv.NVFP4Tensor.to_nvfp4(given, per_tensor_scale=tensor).dequantize(torch.float32)
    assert torch.equal(Quantizer()(given, "nvfp4"), theirs)


@pytest.mark.parametrize("label", GGUF)
def test_gguf_formats_are_those_of_the_package(label: str) -> None:
    gguf = pytest.importorskip("gguf", reason="pip install 'bitknap[gguf]'")
    kind, given = gguf.GGMLQuantizationType[label[5:].upper()], weight()
    data = gguf.quants.quantize(given.numpy(), kind)
    assert np.array_equal(encode_format(given, format_of(label), 0).numpy(), data.reshape(-1))
    found = Quantizer()(given, label)
    assert np.array_equal(found.numpy(), gguf.quants.dequantize(data, kind))
    step = {"4": 1 / 7, "5": 1 / 15, "8": 1 / 127}[label[6]]
    peaks = given.reshape(-1, 32).abs().amax(dim=1)
    worst = (found - given).reshape(-1, 32).abs().amax(dim=1)
    assert bool((worst <= peaks * step * 1.01).all())
    assert not torch.equal(found, given)


@pytest.mark.parametrize("label", format_labels())
@pytest.mark.parametrize("width", [1, 15, 32, 33, 75, 256])
def test_the_size_is_that_of_the_bytes(label: str, width: int) -> None:
    installed(label)
    given = weight(3, width)
    size = Quantizer().size_bits(given.shape, label)
    assert 8 * len(encode_format(given, format_of(label), 0)) - size in range(8)
    assert code_bits(label, given.numel()) <= size
    assert Quantizer()(given, label).shape == given.shape


def test_rates_are_those_of_the_field() -> None:
    rates = {"mxfp4": "4.25", "nvfp4": "4.5", "fp8_e4m3": "8", "gguf:q4_0": "4.5"}
    rates |= {"gguf:q4_1": "5", "gguf:q5_0": "5.5", "gguf:q5_1": "6", "gguf:q8_0": "8.5"}
    assert {label: rate(label) for label in format_labels()} == {
        label: Fraction(text) for label, text in rates.items()
    }


@pytest.mark.parametrize("label", format_labels())
def test_rows_are_channels_whatever_their_place(label: str) -> None:
    installed(label)
    given, quantizer = weight(4, 6 * 35).reshape(4, 6, 5, 7), Quantizer("tensor")
    moved = quantizer(given.movedim(0, 2), label, dim=2)
    assert torch.equal(moved.movedim(2, 0), quantizer(given, label))
    grouped = quantizer(given, label, dim=Channels((1,), groups=2))
    for half in (slice(0, 2), slice(2, 4)):
        if label != "nvfp4":  # has a scale of the whole tensor
            assert torch.equal(grouped[half], quantizer(given[half], label, dim=1))


@pytest.mark.parametrize("label", format_labels())
def test_zeros_wide_types_and_wrong_weights(label: str) -> None:
    installed(label)
    quantizer = Quantizer()
    assert not quantizer(torch.zeros(3, 40), label).any()
    assert quantizer(torch.zeros(0, 4), label).shape == (0, 4)
    wide = weight().double()
    assert torch.equal(quantizer(wide, label), quantizer(wide.float(), label).double())
    assert torch.equal(quantizer(-weight(), label), -quantizer(weight(), label)) or label in GGUF
    with pytest.raises(DataError, match="NaN or infinite"):
        quantizer(torch.full((2, 32), math.nan), label)
    with pytest.raises(UnsupportedError, match="scales of its own"):
        quantizer.encode(weight(), label)


def test_labels_are_read_and_sorted() -> None:
    words = ["8", "float", "nvfp4", "gguf:q4_0", "4", "mxfp4", "fp8_e4m3"]
    found = parse_choices(words, "--bits")
    assert found == (4, "mxfp4", "gguf:q4_0", "nvfp4", 8, "fp8_e4m3", "float")
    assert sorted(map(str, reversed(found)), key=by_size) == [*map(str, found)]
    assert parse_choices(["gguf", "8", "gguf:q4_1"], "--bits") == (
        "gguf:q4_0",
        "gguf:q4_1",
        "gguf:q5_0",
        "gguf:q5_1",
        8,
        "gguf:q8_0",
    )
    assert parse_label("wgguf:q4_0a8") == ("gguf:q4_0", 8)
    assert parse_label("wmxfp4afloat") == ("mxfp4", "float")
    with pytest.raises(DataError, match=r"'gguf:q4_k'; gguf has .* no quantizer of K-types"):
        parse_choices(["gguf:q4_k"], "--bits")
    with pytest.raises(DataError, match=r"or ternary, float, .*mxfp4.*, got 'mxfp5'"):
        parse_choices(["mxfp5"], "--bits")
    with pytest.raises(DataError, match="strictly increasing, such as"):
        bitknap.sensitivity_table(*network(), bits=["nvfp4", "mxfp4"], metrics="weight_mse")
    with pytest.raises(DataError, match="a choice is written such as"):
        parse_label("mxfp5")


def network() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 5)).eval()
    return model, [(torch.randn(8, 32), torch.randint(5, (8,)))]


def test_tables_hold_true_errors_and_sizes() -> None:
    bits = (4, "mxfp4", "nvfp4", "fp8_e4m3")
    model, data = network()
    table = bitknap.sensitivity_table(model, data, bits=bits, metrics=["weight_mse", "fisher"])
    assert table.labels == (*map(str, bits), *map(str, bits))
    assert table.bits.tolist() == [4, 4, 4, 8] * 2
    quantizer = Quantizer()
    for number, (layer, item) in enumerate((i, j) for i in (0, 2) for j in bits):
        exact = model[layer].weight.detach()
        error = float((quantizer(exact, item) - exact).double().square().sum())
        assert table.omega["weight_mse"][number] == pytest.approx(error, rel=1e-5)
        assert table.costs["size_bits"][number] == quantizer.size_bits(exact.shape, item)
    assert table.uniform("nvfp4") == dict.fromkeys(table.layer_choices, "nvfp4")
    uniform = table.positions(table.uniform("mxfp4"))
    assert table.costs["size_bits"][uniform].sum() <= table.capacity(4.25)


def test_a_missing_package_is_named_before_anything_is_run(monkeypatch: object) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'bitknap\[gguf\]'"):
        bitknap.sensitivity_table(*network(), bits=["gguf:q4_0"], metrics="weight_mse")


def test_sizes_of_formats_need_no_torch() -> None:
    code = (
        "import sys; from bitknap.sensitivity.quantization.choices import parse_label, rate; "
        "assert rate(parse_label('mxfp4')[0]) == 4.25 == 17 / 4; "
        "assert rate(parse_label('gguf:q4_0')[0]) == 4.5; "
        "assert not {'torch', 'gguf'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_family_is_one_file() -> None:
    families = {label.partition(":")[0] for label in format_labels()}
    assert families == set(formats.FORMATS.names())
    assert format_of("4") is None
    assert format_of(4) is None
