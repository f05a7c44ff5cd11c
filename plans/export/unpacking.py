"""ONNX operators that make a float weight of packed codes.

A byte of a plane of w bits holds 8 / w codes. A table of 256 rows, computed in the graph and
shared by all layers, turns bytes into codes:

    weight = scale (sum over planes of table[plane] - zero point)

The runtime folds all of it at load. Sums are of whole numbers below 2^24, so the product with the
scale is the only rounding: the weight is that of the applied network, bit for bit. Only standard
operators are used, and no functions of the model, which OpenVINO does not read.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import QuantizedWeight
from ..planes import packed, packed_ternary, widths

DOMAIN = "bitknap"
FLOAT, INT32 = 1, 6
"""Of ``onnx.TensorProto.DataType``."""


@dataclass
class Unpacking:
    """Initializers and nodes of all weights of a model.

    Args:
        onnx: the package.
    """

    onnx: Any
    initializers: list[Any] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)
    _known: dict[Hashable, str] = field(default_factory=dict)

    def add(self, weight: QuantizedWeight) -> None:
        """Initializers and nodes that make one weight, under the name of its parameter."""
        split, perm = split_shape(weight)
        size = weight.layer.group_size if weight.steps.shape[1] > 1 else 0
        rows = list(weight.codes.shape)
        shape = rows if size else split
        last = self._reshape(self._codes(weight), shape)
        if weight.layer.zeros:
            points = weight.points.astype(np.uint8 if weight.bits <= 8 else np.uint16)
            zero = self._values(points, size, shape, rows[1])
            last = self._node("Sub", [last, self._node("Cast", [zero], to=FLOAT)])
        factors = [last, self._values(weight.steps, size, shape, rows[1])]
        if not perm and shape == list(weight.shape):
            self._node("Mul", factors, weight.parameter)
            return
        last = self._node("Mul", factors)
        if perm:
            if shape != split:
                last = self._reshape(last, split)
            last = self._node("Transpose", [last], perm=perm)
        self._reshape(last, list(weight.shape), weight.parameter)

    def _codes(self, weight: QuantizedWeight) -> str:
        """The codes as a vector, less the zero point that all have where none is stored."""
        total, low, count = "", 0, weight.codes.size
        for width, plane in zip(widths(weight.bits) or [0], _planes(weight), strict=True):
            zero = 0 if weight.layer.zeros or low else 1 << (weight.bits - 1) if weight.bits else 1
            places = self._node("Cast", [self._array(plane)], to=INT32)
            values = self._node("Gather", [self._table(width, 1 << low, zero), places])
            values = self._reshape(values, [-1])
            if plane.size * (8 // width if width else 5) > count:
                values = self._slice(values, count, 0)
            total, low = self._node("Add", [total, values]) if total else values, low + width
        return total

    def _table(self, width: int, unit: int, zero: int) -> str:
        """(256, codes of a byte) of a width, 0 for ternary, times the unit, less the zero point."""
        powers = [1 << k for k in range(0, 8, width)] if width else [1, 3, 9, 27, 81]
        base = 1 << width if width else 3
        ends = [self._array(np.int64(end)) for end in (0, 256, 1)]
        last = self._reshape(self._node("Range", ends), [-1, 1])
        last = self._node("Div", [last, self._array(np.array(powers))])
        last = self._node("Mod", [last, self._array(np.int64(base))])
        last = self._node(
            "Mul", [self._node("Cast", [last], to=FLOAT), self._array(np.float32(unit))]
        )
        return self._node("Sub", [last, self._array(np.float32(zero))])

    def _values(self, values: NDArray[Any], size: int, shape: Sequence[int], count: int) -> str:
        """Scales or zero points that broadcast against rows, or against the weight."""
        if not size:
            return self._array(spread(values, shape))
        blocks = self._array(values[:, :, None])
        wide = self._node("Expand", [blocks, self._array(np.array([1, 1, size]))])
        return self._slice(self._reshape(wide, [0, -1]), count, 1)

    def _slice(self, value: str, count: int, axis: int) -> str:
        """The first ``count`` along an axis."""
        places = [self._array(np.array([number])) for number in (0, count, axis)]
        return self._node("Slice", [value, *places])

    def _reshape(self, value: str, shape: Sequence[int], output: str = "") -> str:
        target = self._array(np.array(shape, dtype=np.int64))
        return self._node("Reshape", [value, target], output)

    def _array(self, values: Any) -> str:
        """An initializer; of equal values the first."""
        values = np.asarray(values)
        name = f"{DOMAIN}.a{len(self.initializers)}"
        known = self._known.setdefault((values.dtype, values.shape, values.tobytes()), name)
        if known == name:
            self.initializers.append(self.onnx.numpy_helper.from_array(values, name))
        return known

    def _node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """The output of a node; of equal nodes the first, unless it is to have a name."""
        name = output or f"{DOMAIN}.n{len(self.nodes)}"
        known = self._known.setdefault((kind, *inputs, repr(attributes), output), name)
        if known == name:
            self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return known


def _planes(weight: QuantizedWeight) -> list[NDArray[np.uint8]]:
    return packed(weight.codes, weight.bits) if weight.bits else packed_ternary(weight.codes)


def split_shape(weight: QuantizedWeight) -> tuple[list[int], list[int]]:
    """The shape that rows are reshaped to, and the order of its dimensions in the weight.

    `Channels.restored` in operators; no order where rows are in the weight's own.
    """
    shape, channels = list(weight.shape), weight.channels
    if not weight.by_channel:
        return shape, []
    split = [channels.groups, shape[0] // channels.groups, *shape[1:]]
    places = [0, *(dim % len(shape) + 1 for dim in channels.dims)]
    if channels.groups == 1:
        split, places = shape, [dim % len(shape) for dim in channels.dims]
    order = places + [dim for dim in range(len(split)) if dim not in places]
    perm = [order.index(dim) for dim in range(len(split))]
    return [split[dim] for dim in order], [] if perm == sorted(perm) else perm


def spread(values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """(R, 1) values of channels in a shape that broadcasts, channels being the first dimensions."""
    lead, left = [], values.size
    for dim in shape:
        lead.append(dim if left > 1 else 1)
        left //= lead[-1]
    return values.reshape(lead)
