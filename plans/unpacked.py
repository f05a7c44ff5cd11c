"""Read packed networks, and load them back into their architecture."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems.documents import parse_json
from bitknap.problems.errors import BitknapError, DataError, UnsupportedError
from bitknap.problems.schema import convert
from bitknap.problems.storage import read_file
from bitknap.sensitivity.quantization.channels import Channels
from bitknap.sensitivity.quantization.formats import format_of
from bitknap.sensitivity.quantization.quantizers import decode_format, format_rows
from bitknap.sensitivity.tracing.folding import plain_copy

from .apply import quantize_inputs
from .codes import DTYPES, PackedLayer, per_weight
from .packed import TENSORS, Layout, digest
from .plan_file import StoredPlan
from .planes import plane_bytes, unpacked, unpacked_ternary

MOST_LAYOUT = 1 << 26
"""Bytes that a layout may unpack to."""


def load_packed(model: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """A copy of a network with the weights, buffers and activation grids of a packed one.

    Bit for bit what `apply_plan` gave. The file's plan need not fit the weights of ``model``, which
    are all replaced.

    Args:
        model: of the architecture that was packed; not changed.
        path: the file.

    Raises:
        DataError: the file is not a packed network, or one of another architecture.
    """
    if not isinstance(model, nn.Module):
        raise DataError(
            f"load_packed takes the network first and then the file, got {type(model).__name__}"
        )
    state, document = read_packed(path)
    network = plain_copy(model).eval()
    known = network.state_dict()
    for name, value in state.items():
        if name not in known or known[name].shape != value.shape:
            raise _other(path, f"the network has no {name} of shape {tuple(value.shape)}")
    given = {known[name].data_ptr() for name in state}
    for name, value in known.items():
        if value.numel() and value.data_ptr() not in given:
            raise _other(path, f"the file lacks {name} of the network")
    network.load_state_dict(state, strict=False)
    try:
        plan = StoredPlan.of(document)
        table = plan.table()
    except DataError as error:
        raise DataError(f"{path}: its plan: {error}") from None
    for layer in table.layers:
        if layer.parameter not in known:
            raise _other(path, f"the network has no {layer.parameter}, which the plan names")
    quantize_inputs(network, table, range(len(table.layers)))
    return network


def _other(path: str | os.PathLike[str], what: str) -> DataError:
    return DataError(f"{path}: {what}; load it into the architecture that was packed")


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
        for name, kind in TENSORS.items():
            if name not in parts or parts[name].dtype != kind or parts[name].ndim != 1:
                raise DataError(f"{name} must be a vector of {np.dtype(kind)}")
        layout = _layout(parts["layout"].tobytes())
        if layout.sha256 != digest(parts):
            raise DataError("its contents have another hash than it states")
        return dict(_decoded(parts, layout)), layout.plan
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {error}") from None
    except (KeyError, ValueError, zlib.error, safetensors.SafetensorError, BitknapError) as error:
        raise DataError(
            f"{path}: no packed network, or a damaged one ({error}); pack it again"
        ) from None


def _layout(data: bytes) -> Layout:
    unzip = zlib.decompressobj()
    text = unzip.decompress(data, MOST_LAYOUT)
    if not unzip.eof:
        raise DataError(f"its layout is cut off, or larger than {MOST_LAYOUT:,} bytes")
    return convert(Layout, parse_json(text), "the layout")


def _decoded(parts: Mapping[str, NDArray[Any]], layout: Layout) -> Iterator[tuple[str, Tensor]]:
    codes, scales, rest = (_Cursor(name, parts[name]) for name in ("codes", "scales", "rest"))
    for layer in layout.layers:
        weight = _formatted(layer, codes) if layer.format else _weight(layer, codes, scales)
        yield layer.parameter, weight
    for one in layout.rest:
        kind = DTYPES[one.dtype]
        raw = bytearray(rest.take(math.prod(one.shape) * kind.itemsize).tobytes())
        flat = torch.frombuffer(raw, dtype=kind) if raw else torch.zeros(0, dtype=kind)
        yield one.name, flat.reshape(one.shape)
    for cursor in (codes, scales, rest):
        cursor.end()


def _weight(layer: PackedLayer, codes: _Cursor, scales: _Cursor) -> Tensor:
    row_count, each, width = _sizes(layer)
    count = row_count * each
    if layer.bits:
        planes = [codes.take(size) for size in plane_bytes(layer.bits, count)]
        unsigned = unpacked(planes, layer.bits, count)
    else:
        unsigned = unpacked_ternary(codes.take(-(-count // 5)), count)
    steps = scales.take(layer.scales).astype(np.float64).reshape(row_count, width)
    points = np.full(steps.shape, 1 << (layer.bits - 1) if layer.bits else 1)
    if layer.zeros:
        planes = [codes.take(size) for size in plane_bytes(layer.bits, layer.scales)]
        points = unpacked(planes, layer.bits, layer.scales).reshape(steps.shape)
    zero, scale = (per_weight(values, layer.group_size, each) for values in (points, steps))
    rows = torch.from_numpy((unsigned.reshape(row_count, each) - zero) * scale)
    own = Channels(layer.dims, layer.groups)
    weight = own.restored(rows, layer.shape) if layer.by_channel else rows.reshape(layer.shape)
    return weight.to(DTYPES[layer.dtype])


def _formatted(layer: PackedLayer, codes: _Cursor) -> Tensor:
    stored = format_of(layer.format)
    if stored is None:
        raise DataError(f"{layer.parameter} is in {layer.format!r}, which is no known format")
    stored.require()
    _sizes(layer)
    own = Channels(layer.dims, layer.groups)
    rows, width = format_rows(layer.shape, own)
    data = torch.from_numpy(codes.take(-(-stored.size_bits(rows, width) // 8)).copy())
    return decode_format(data, stored, layer.shape, own).to(DTYPES[layer.dtype])


def _sizes(layer: PackedLayer) -> tuple[int, int, int]:
    """Rows, weights per row and scales per row.

    Raises:
        DataError: they do not fit the shape.
    """
    dims, count = len(layer.shape), math.prod(layer.shape)
    places = {dim % dims for dim in layer.dims if -dims <= dim < dims}
    if count and len(places) == len(layer.dims) and layer.shape[0] % layer.groups == 0:
        own = Channels(layer.dims, layer.groups)
        row_count = own.count(layer.shape) if layer.by_channel else 1
        each = count // row_count
        width = -(-each // layer.group_size) if layer.group_size else 1
        wanted = 0 if layer.format else row_count * width
        if row_count * each == count and wanted == layer.scales:
            return row_count, each, width
    raise DataError(f"rows and scales of {layer.parameter} do not fit its shape {layer.shape}")


class _Cursor:
    """Takes one piece of a tensor after another."""

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self._name, self._array, self._at = name, array, 0

    def take(self, count: int) -> NDArray[Any]:
        found = self._array[self._at : self._at + count]
        if len(found) < count:
            raise DataError(f"{self._name} is too short")
        self._at += count
        return found

    def end(self) -> None:
        if self._at < len(self._array):
            raise DataError(f"{self._name} is too long")
