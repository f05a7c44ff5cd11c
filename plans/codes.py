"""The codes of quantized weights, or their bytes in a format, and how each is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.problems.schema import Count, Range
from bitknap.sensitivity import Quantizer, SensitivityTable
from bitknap.sensitivity.quantization.channels import Channels, channels
from bitknap.sensitivity.quantization.choices import FLOAT, TERNARY, Choice, parse_label
from bitknap.sensitivity.quantization.formats import format_of
from bitknap.sensitivity.quantization.formats.base import Format
from bitknap.sensitivity.quantization.quantizers import decode_format, encode_format
from bitknap.sensitivity.table.table import LayerInfo
from bitknap.sensitivity.tracing.folding import folded

from .planes import packed, packed_ternary

Dtype = Literal[
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"
]

DTYPES: dict[Dtype, torch.dtype] = {
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
        format: of its bytes, where these are not codes and scales; then what is above of codes and
            scales is 0.
    """

    parameter: str
    shape: tuple[Count, ...]
    dtype: Dtype
    bits: Annotated[int, Range(0, 16)]
    by_channel: bool
    dims: tuple[int, ...]
    groups: Annotated[int, Range(1, 1 << 31)]
    group_size: Count
    scales: Count
    zeros: bool
    format: str = ""


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
        return per_weight(self.points, self.layer.group_size, self.codes.shape[1])

    @property
    def scale(self) -> NDArray[np.float32]:
        """(R, 1) or (R, k) scales of the codes."""
        return per_weight(self.steps, self.layer.group_size, self.codes.shape[1])

    def planes(self) -> list[NDArray[np.uint8]]:
        """Packed codes, then zero points where they are stored."""
        codes = packed(self.codes, self.bits) if self.bits else packed_ternary(self.codes)
        return [*codes, *(packed(self.points, self.bits) if self.layer.zeros else ())]


@dataclass(frozen=True, eq=False)
class FormattedWeight:
    """The bytes of one weight of an applied network in a format.

    Args:
        layer: how it is stored.
        data: uint8, of `encode_format`.
    """

    layer: PackedLayer
    data: NDArray[np.uint8]

    @property
    def parameter(self) -> str:
        """Its name."""
        return self.layer.parameter

    @property
    def steps(self) -> NDArray[np.float32]:
        """No scales besides the bytes."""
        return np.zeros(0, dtype=np.float32)

    def planes(self) -> list[NDArray[np.uint8]]:
        """The bytes."""
        return [self.data]


def stored_weights(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
) -> list[QuantizedWeight | FormattedWeight]:
    """Every quantized weight of an applied network as it is stored.

    Raises:
        DataError: a weight is not what its choice makes of it, or of a type that is not stored.
    """
    quantizer, plain = Quantizer.described(table.provenance.get("quantizer")), folded(model)
    found: list[QuantizedWeight | FormattedWeight] = []
    for info in table.layers:
        choice, _ = parse_label(choices[info.name])
        if choice == FLOAT:
            continue
        original = plain.get_parameter(info.parameter).detach().cpu()
        weight = network.get_parameter(info.parameter).detach().cpu()
        if (stored := format_of(choice)) is not None:
            found.append(_formatted(weight, original, info, stored, str(choice)))
            continue
        _, scale = quantizer.encode(original, choice, dim=info.channel_dim)
        found.append(_encoded(weight, scale, info, choice, quantizer))
    return found


def quantized_weights(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
) -> list[QuantizedWeight]:
    """The codes of every quantized weight of an applied network.

    Raises:
        DataError: a weight is not on the grid of its choice, or of a type that is not stored.
        UnsupportedError: a weight is in a format, which has no codes of a grid.
    """
    for name, label in choices.items():
        choice, _ = parse_label(label)
        if format_of(choice) is not None:
            raise UnsupportedError(
                f"the target holds whole numbers and scales, and the layer {name} is in {choice}; "
                "plan with bits, or export --to packed"
            )
    found = stored_weights(model, network, table, choices)
    return [weight for weight in found if isinstance(weight, QuantizedWeight)]


def _formatted(
    weight: Tensor, original: Tensor, info: LayerInfo, stored: Format, label: str
) -> FormattedWeight:
    data = encode_format(original, stored, info.channel_dim)
    decoded = decode_format(data, stored, weight.shape, info.channel_dim)
    if not torch.equal(decoded.to(weight.dtype), weight):
        raise _off_grid(info, label)
    own = channels(info.channel_dim)
    layer = PackedLayer(
        info.parameter,
        tuple(weight.shape),
        dtype_name(weight),
        bits=0,
        by_channel=weight.dim() > 1,
        dims=own.dims,
        groups=own.groups,
        group_size=0,
        scales=0,
        zeros=False,
        format=label,
    )
    return FormattedWeight(layer, data.numpy())


def _off_grid(info: LayerInfo, choice: Choice) -> DataError:
    return DataError(
        f"the weight {info.parameter} is not on the grid of {choice}; pack a network that "
        "apply_plan made, before it is trained further"
    )


def _encoded(
    weight: Tensor, scale: Tensor, info: LayerInfo, choice: Choice, quantizer: Quantizer
) -> QuantizedWeight:
    own = channels(info.channel_dim)
    by_channel = quantizer.granularity != "tensor" and weight.dim() > 1
    rows = weight.double()
    rows = own.rows(rows) if by_channel else rows.reshape(1, -1)
    wide = torch.from_numpy(per_weight(scale.numpy(), quantizer.group_size, rows.shape[1]))
    whole = torch.where(wide == 0, 0.0, rows / wide).round()
    if not torch.equal((whole * wide).to(weight.dtype), rows.to(weight.dtype)):
        raise _off_grid(info, choice)
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
        dtype_name(weight),
        bits,
        by_channel,
        own.dims,
        own.groups,
        quantizer.group_size,
        scale.numel(),
        zeros,
    )
    codes = signed + per_weight(points, quantizer.group_size, signed.shape[1])
    return QuantizedWeight(layer, codes, points, scale.float().numpy())


def per_weight(values: NDArray[Any], group_size: int, size: int) -> NDArray[Any]:
    """(R, k) or (R, 1) values of each weight from (R, G) values of each scale."""
    if values.shape[1] <= 1:
        return values
    return np.repeat(values, group_size, axis=1)[:, :size]


def dtype_name(value: Tensor) -> Dtype:
    """Name of a tensor's type.

    Raises:
        DataError: it is none of those that are stored.
    """
    for name, kind in DTYPES.items():
        if value.dtype == kind:
            return name
    raise DataError(
        f"a tensor of {value.dtype} cannot be packed; the types are {', '.join(DTYPES)}"
    )
