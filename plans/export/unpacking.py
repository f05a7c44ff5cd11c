"""ONNX operators that make a float weight of packed codes, as functions of the model.

A function per width is called once for each weight, so a weight costs one node:

    unpack3(plane2, plane1, scale) = scale (plane(plane2) + plane(plane1))

``plane`` looks each byte up in a table of 8 / w values that it computes itself; the runtime folds
all of it at load. Sums are of whole numbers below 2^24, so the product with the scale is the only
rounding: the weight is that of the applied network, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import QuantizedWeight
from ..planes import packed, packed_ternary, widths

DOMAIN = "bitknap"

_PLANE = """
<domain: "bitknap", opset_import: ["": {opset}]>
plane <divisors: ints, base: int, unit: float, zero: float> (bytes, count) => (values) {{
  a = Constant <value_int = 0> ()
  b = Constant <value_int = 256> ()
  c = Constant <value_int = 1> ()
  d = Constant <value_ints = [-1]> ()
  e = Constant <value_ints = [0]> ()
  f = Constant <value_ints: ints = @divisors> ()
  g = Constant <value_int: int = @base> ()
  h = Constant <value_float: float = @unit> ()
  i = Constant <value_float: float = @zero> ()
  j = Range (a, b, c)
  k = Unsqueeze (j, d)
  l = Div (k, f)
  m = Mod (l, g)
  n = Cast <to = 1> (m)
  o = Mul (n, h)
  p = Sub (o, i)
  q = Cast <to = 6> (bytes)
  r = Gather (p, q)
  s = Reshape (r, d)
  values = Slice (s, e, count)
}}
"""

_GROUPS = """
<domain: "bitknap", opset_import: ["": {opset}]>
groups <size: ints, count: ints> (values) => (wide) {{
  a = Constant <value_ints = [0, -1, 1]> ()
  b = Constant <value_ints: ints = @size> ()
  c = Constant <value_ints = [0, -1]> ()
  d = Constant <value_ints = [0]> ()
  e = Constant <value_ints: ints = @count> ()
  f = Constant <value_ints = [1]> ()
  g = Reshape (values, a)
  h = Expand (g, b)
  i = Reshape (h, c)
  wide = Slice (i, d, e, f)
}}
"""
"""(R, k) values of each weight from (R, G) values of each scale."""


@dataclass
class Unpacking:
    """Functions, initializers and nodes of all weights of a model.

    Args:
        onnx: the package.
        opset: of the operators.
    """

    onnx: Any
    opset: int
    functions: dict[str, Any] = field(default_factory=dict)
    initializers: list[Any] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)

    def add(self, weight: QuantizedWeight) -> None:
        """Initializers and nodes that make one weight, under the name of its parameter."""
        split, perm = split_shape(weight)
        size = weight.layer.group_size if weight.steps.shape[1] > 1 else 0
        rows = list(weight.codes.shape)
        shape = rows if size else split
        inputs = [self._array(plane) for plane in _planes(weight)]
        inputs.append(self._values(weight.steps, size, shape, rows[1]))
        if weight.layer.zeros:
            points = weight.points.astype(np.uint8 if weight.bits <= 8 else np.uint16)
            inputs.append(self._values(points, size, shape, rows[1]))
        plain = not perm and shape == list(weight.shape)
        last = weight.parameter if plain else self._name()
        kind = self._function(weight.bits, zeros=weight.layer.zeros)
        self._node(kind, inputs, last, domain=DOMAIN, shape=shape)
        if plain:
            return
        if perm:
            if shape != split:
                last = self._reshape(last, split)
            last = self._node("Transpose", [last], perm=perm)
        self._reshape(last, list(weight.shape), weight.parameter)

    def _values(self, values: NDArray[Any], size: int, shape: Sequence[int], count: int) -> str:
        """Scales or zero points that broadcast against rows, or against the weight."""
        if size:
            self._require("groups", _GROUPS.format(opset=self.opset))
            wide = self._array(values)
            return self._node("groups", [wide], domain=DOMAIN, size=[1, 1, size], count=[count])
        return self._array(spread(values, shape))

    def _function(self, bits: int, *, zeros: bool) -> str:
        """The function of a width, made when it is first needed; 0 bits are ternary."""
        name = f"{'affine' if zeros else 'unpack'}{bits or 'ternary'}"
        if name in self.functions:
            return name
        self._require("plane", _PLANE.format(opset=self.opset))
        planes = widths(bits) or [0]
        names = [f"p{i}" for i in range(len(planes))]
        lines, total, low = [], "", 0
        for i, width in enumerate(planes):
            zero = 0 if zeros or i else 1 << (bits - 1) if bits else 1
            digits = [1, 3, 9, 27, 81] if not width else [1 << k for k in range(0, 8, width)]
            attributes = (
                f"divisors = {digits}, base = {1 << width if width else 3}, "
                f"unit = {float(1 << low)}, zero = {float(zero)}"
            )
            lines.append(f"v{i} = bitknap.plane <{attributes}> (p{i}, n)")
            if total:
                lines.append(f"t{i} = Add ({total}, v{i})")
            total, low = f"t{i}" if total else f"v{i}", low + width
        lines.append(f"r = Reshape ({total}, s)")
        if zeros:
            lines += ["z = Cast <to = 1> (zero)", "c = Sub (r, z)"]
        body = "\n  ".join(lines)
        self._require(
            name,
            f'<domain: "bitknap", opset_import: ["": {self.opset}, "bitknap": 1]>\n'
            f"{name} <shape: ints> ({', '.join(names)}, scale{', zero' if zeros else ''}) => (w) {{"
            f"\n  s = Constant <value_ints: ints = @shape> ()\n  n = ReduceProd (s)\n  {body}\n"
            f"  w = Mul ({'c' if zeros else 'r'}, scale)\n}}",
        )
        return name

    def _require(self, name: str, text: str) -> None:
        if name not in self.functions:
            self.functions[name] = self.onnx.parser.parse_function(text)

    def _reshape(self, value: str, shape: Sequence[int], output: str = "") -> str:
        target = self._array(np.array(shape, dtype=np.int64))
        return self._node("Reshape", [value, target], output)

    def _name(self) -> str:
        return f"{DOMAIN}.{len(self.initializers)}.{len(self.nodes)}"

    def _array(self, values: NDArray[Any]) -> str:
        name = self._name()
        self.initializers.append(self.onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or self._name() + "o"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name


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
