"""Packed networks ``bitknap.packed/1``: codes at their true widths in a safetensors file.

The file has four tensors and no metadata:

* ``layout`` (U8): JSON compressed by zlib: ``format``, ``plan`` (a ``bitknap.plan/1`` document),
  ``layers`` (parameter, shape, dtype, bits, group size, channel dimensions, whether it has zero
  points), ``rest`` (name, shape and dtype of every other parameter and buffer), ``sha256`` (of the
  bytes of the other three tensors, one after another);
* ``codes`` (U8): for each layer the planes of its codes (see `planes`), ternary ones five to a
  byte in base 3, then with zero points the planes of these;
* ``scales`` (F32): those of all layers, row by row;
* ``rest`` (U8): the bytes of all other tensors, in their order.

With u a code, z its zero point (2^(b-1), or 1 for ternary, where the layer has none) and s its
scale, a weight is float32((u - z) s). `docs/plans.md` reads a file with NumPy alone.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.documents import parse_json
from bitknap.problems.errors import BitknapError, DataError
from bitknap.problems.schema import convert
from bitknap.problems.storage import read_file
from bitknap.sensitivity import Quantizer, SensitivityTable
from bitknap.sensitivity.quantization.channels import Channels, channels
from bitknap.sensitivity.quantization.choices import FLOAT, TERNARY, Choice, parse_label
from bitknap.sensitivity.table.table import LayerInfo
from bitknap.sensitivity.tracing.folding import folded

from .planes import packed, packed_ternary, plane_bytes, unpacked, unpacked_ternary

FORMAT = "bitknap.packed/1"

MOST_LAYOUT = 1 << 26
"""Bytes that a layout may unpack to."""

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


@dataclass(frozen=True)
class PackedLayer:
    """How one weight is stored.

    Args:
        parameter: its name.
        shape: its shape.
        dtype: its type.
        bits: of a code; 0 for ternary.
        by_channel: rows are channels; else there is one row.
        dims: dimensions that index channels.
        groups: blocks of dimension 0 that are channels of their own.
        group_size: weights per scale within a row; 0 where a row has one.
        scales: of the layer, in all.
        zeros: whether scales have zero points.
    """

    parameter: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    by_channel: bool
    dims: tuple[int, ...]
    groups: int
    group_size: int
    scales: int
    zeros: bool


@dataclass(frozen=True)
class _Rest:
    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class _Layout:
    format: str
    plan: dict[str, Any]
    layers: tuple[PackedLayer, ...]
    rest: tuple[_Rest, ...]
    sha256: str


def pack(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
    plan: dict[str, Any],
    path: str | os.PathLike[str],
) -> int:
    """Write a quantized network; returns the bytes written.

    Args:
        model: the float network.
        network: of `apply_plan` for it, repaired or not.
        table: its layers and quantizer.
        choices: layer -> label.
        plan: document that goes with it.
        path: the file.

    Raises:
        DataError: a weight is not on the grid of its choice, or of a type that is not stored.
    """
    weights = quantized_weights(model, network, table, choices)
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    shared = {layer.parameter: layer.shared for layer in table.layers}
    for weight in weights:
        for name in (weight.parameter, *shared[weight.parameter]):
            state.pop(name, None)
    layers = [weight.layer for weight in weights]
    codes = [plane for weight in weights for plane in weight.planes()]
    scales = [weight.steps for weight in weights]
    rest = [_Rest(name, tuple(value.shape), _dtype(value)) for name, value in state.items()]
    empty = [np.zeros(0, dtype=np.uint8)]
    parts: dict[str, NDArray[Any]] = {
        "codes": np.concatenate(empty + codes),
        "scales": np.concatenate([np.zeros(0, dtype=np.float32), *(s.reshape(-1) for s in scales)]),
        "rest": np.concatenate(empty + [_bytes(value) for value in state.values()]),
    }
    layout = {
        "format": FORMAT,
        "plan": plan,
        "layers": [asdict(layer) for layer in layers],
        "rest": [asdict(one) for one in rest],
        "sha256": _digest(parts),
    }
    text = json.dumps(layout, separators=(",", ":")).encode()
    layout_bytes = np.frombuffer(zlib.compress(text, 9), dtype=np.uint8)
    content = safetensors.numpy.save({"layout": layout_bytes, **parts})
    write_atomically(path, content)
    return len(content)


@dataclass(frozen=True, eq=False)
class QuantizedWeight:
    """The codes of one weight of an applied network: the weight is (codes - zero) scale.

    Args:
        layer: how it is stored.
        codes: (R, k) int64, unsigned, of ``layer.bits`` bits, or 0, 1, 2 for ternary.
        points: (R, G) int64 zero points, one per scale.
        steps: (R, G) float32 scales.
    """

    layer: PackedLayer
    codes: NDArray[np.int64]
    points: NDArray[np.int64]
    steps: NDArray[np.float32]

    @property
    def parameter(self) -> str:
        """Its name."""
        return self.layer.parameter

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        return self.layer.shape

    @property
    def bits(self) -> int:
        """Of a code; 0 for ternary."""
        return self.layer.bits

    @property
    def by_channel(self) -> bool:
        """Whether rows are channels."""
        return self.layer.by_channel

    @property
    def channels(self) -> Channels:
        """What its rows are."""
        return Channels(self.layer.dims, self.layer.groups)

    @property
    def zero(self) -> NDArray[np.int64]:
        """(R, 1) or (R, k) zero points of the codes."""
        return _wide(self.points, self.layer.group_size, self.codes.shape[1])

    @property
    def scale(self) -> NDArray[np.float32]:
        """(R, 1) or (R, k) scales of the codes."""
        return _wide(self.steps, self.layer.group_size, self.codes.shape[1])

    def planes(self) -> list[NDArray[np.uint8]]:
        """Packed codes, then zero points where they are stored."""
        codes = packed(self.codes, self.bits) if self.bits else packed_ternary(self.codes)
        return [*codes, *(packed(self.points, self.bits) if self.layer.zeros else ())]


def quantized_weights(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
) -> list[QuantizedWeight]:
    """The codes of every quantized weight of an applied network.

    Raises:
        DataError: a weight is not on the grid of its choice, or of a type that is not stored.
    """
    quantizer, plain = Quantizer.described(table.provenance["quantizer"]), folded(model)
    found = []
    for info in table.layers:
        choice, _ = parse_label(choices[info.name])
        if choice != FLOAT:
            original = plain.get_parameter(info.parameter).detach().cpu()
            _, scale = quantizer.encode(original, choice, dim=info.channel_dim)
            weight = network.get_parameter(info.parameter).detach().cpu()
            found.append(_encoded(weight, scale, info, choice, quantizer))
    return found


def _encoded(
    weight: Tensor, scale: Tensor, info: LayerInfo, choice: Choice, quantizer: Quantizer
) -> QuantizedWeight:
    own = channels(info.channel_dim)
    by_channel = quantizer.granularity != "tensor" and weight.dim() > 1
    rows = weight.double()
    rows = own.rows(rows) if by_channel else rows.reshape(1, -1)
    wide = torch.from_numpy(_wide(scale.numpy(), quantizer.group_size, rows.shape[1]))
    whole = torch.where(wide == 0, 0.0, rows / wide).round()
    if not torch.equal((whole * wide).to(weight.dtype), rows.to(weight.dtype)):
        raise DataError(
            f"the weight {info.parameter} is not on the grid of {choice}; pack a network that "
            "apply_plan made, before it is trained further"
        )
    signed = whole.long().numpy()
    bits = 0 if choice == TERNARY else int(choice)
    zeros = quantizer.scheme == "affine" and choice != TERNARY
    if zeros:
        size = quantizer.group_size or max(1, signed.shape[1])
        edges = np.arange(0, signed.shape[1], size)
        points = np.maximum(0, -np.minimum.reduceat(signed, edges, axis=1))
    else:
        points = np.full(scale.shape, 1 << (bits - 1) if bits else 1, dtype=np.int64)
    layer = PackedLayer(
        info.parameter,
        tuple(weight.shape),
        _dtype(weight),
        bits,
        by_channel,
        own.dims,
        own.groups,
        quantizer.group_size,
        scale.numel(),
        zeros,
    )
    codes = signed + _wide(points, quantizer.group_size, signed.shape[1])
    return QuantizedWeight(layer, codes, points, scale.float().numpy())


def unpack(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Every parameter and buffer of a packed network, by name, quantized weights dequantized.

    Raises:
        DataError: the file is missing, damaged, or not a packed network.
    """
    return read_packed(path)[0]


def read_packed(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Parameters and buffers of a packed network, and the document of its plan.

    Raises:
        DataError: the file is missing, damaged, or not a packed network.
    """
    data = read_file(path)
    try:
        parts = safetensors.numpy.load(data)
        unzip = zlib.decompressobj()
        text = unzip.decompress(parts["layout"].tobytes(), MOST_LAYOUT)
        layout = convert(_Layout, parse_json(text))
        if layout.format != FORMAT:
            raise DataError(f"expected format {FORMAT}, got {layout.format!r}")
        if layout.sha256 != _digest(parts):
            raise DataError("its contents have another hash than it states")
        return dict(_decoded(parts, layout)), layout.plan
    except (KeyError, ValueError, zlib.error, safetensors.SafetensorError, BitknapError) as error:
        raise DataError(
            f"{path}: no packed network, or a damaged one ({error}); pack it again"
        ) from None


def _decoded(parts: Mapping[str, NDArray[Any]], layout: _Layout) -> Iterator[tuple[str, Tensor]]:
    codes, scales = _Cursor(parts["codes"]), _Cursor(parts["scales"])
    for layer in layout.layers:
        count = math.prod(layer.shape)
        own = Channels(layer.dims, layer.groups)
        row_count = own.count(layer.shape) if layer.by_channel else 1
        each = count // max(1, row_count)
        width = layer.scales // max(1, row_count)
        if layer.bits:
            planes = [codes.take(size) for size in plane_bytes(layer.bits, count)]
            unsigned = unpacked(planes, layer.bits, count)
        else:
            unsigned = unpacked_ternary(codes.take(-(-count // 5)), count)
        points = np.full((row_count, width), 1 << (layer.bits - 1) if layer.bits else 1)
        if layer.zeros:
            planes = [codes.take(n) for n in plane_bytes(layer.bits, layer.scales)]
            points = unpacked(planes, layer.bits, layer.scales).reshape(row_count, width)
        steps = scales.take(layer.scales).astype(np.float64).reshape(row_count, width)
        zero, scale = (_wide(values, layer.group_size, each) for values in (points, steps))
        rows = torch.from_numpy((unsigned.reshape(row_count, each) - zero) * scale)
        weight = own.restored(rows, layer.shape) if layer.by_channel else rows.reshape(layer.shape)
        yield layer.parameter, weight.to(DTYPES[layer.dtype])
    rest = _Cursor(parts["rest"])
    for one in layout.rest:
        kind = DTYPES[one.dtype]
        raw = rest.take(math.prod(one.shape) * kind.itemsize)
        yield one.name, torch.frombuffer(bytearray(raw.tobytes()), dtype=kind).reshape(one.shape)


class _Cursor:
    """Takes one piece of an array after another."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self._at = array, 0

    def take(self, count: int) -> NDArray[Any]:
        found = self._array[self._at : self._at + count]
        if count < 0 or len(found) < count:
            raise DataError("its arrays are too short")
        self._at += count
        return found


def _digest(parts: Mapping[str, NDArray[Any]]) -> str:
    content = b"".join(parts[name].tobytes() for name in ("codes", "scales", "rest"))
    return sha256(content).hexdigest()


def _wide(values: NDArray[Any], group_size: int, size: int) -> NDArray[Any]:
    """(R, k) or (R, 1) values of each weight from (R, G) values of each scale."""
    if values.shape[1] <= 1:
        return values
    return np.repeat(values, group_size, axis=1)[:, :size]


def _dtype(value: Tensor) -> str:
    name = str(value.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise DataError(f"a tensor of {name} cannot be packed; the types are {', '.join(DTYPES)}")
    return name


def _bytes(value: Tensor) -> NDArray[np.uint8]:
    flat = value.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, dtype=np.uint8)
