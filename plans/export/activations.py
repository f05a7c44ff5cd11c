"""Grids of activations in an ONNX graph: QuantizeLinear and DequantizeLinear before a layer.

A layer reads DequantizeLinear(QuantizeLinear(Clip(a))) in 8-bit codes with the zero point -low of
its grid, Q(a) = s clip(round(a / s), low, high). Fewer bits are 8-bit codes that are clipped first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bitknap.problems.errors import UnsupportedError
from bitknap.sensitivity.quantization.grids import Grid

MOVES = ("Transpose", "Reshape", "Cast", "Identity", "Squeeze", "Unsqueeze")
"""Operators that a weight may go through before it is used."""

USES = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operator -> place of its weight; the activation is in place 0."""

CODES = 255
"""Largest code of 8 bits."""


def quantize_inputs_in(onnx: Any, proto: Any, grids: Mapping[str, Grid]) -> None:
    """Put quantization before every use of a weight.

    Args:
        onnx: the package.
        proto: the model, weights being initializers; changed.
        grids: parameter -> grid of what its layer reads, of scale > 0.

    Raises:
        UnsupportedError: a grid has more than 8 bits, or a weight is used in another way.
    """
    made = _Quantization(onnx, proto.graph)
    for parameter, grid in grids.items():
        if grid.bits > 8:
            raise UnsupportedError(
                f"an ONNX file holds activations of up to 8 bits, and {parameter} reads "
                f"{grid.bits}; plan with fewer, or float"
            )
        for node in made.uses(parameter):
            node.input[0] = made.quantized(node.input[0], grid)
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(made.in_order(nodes))


class _Quantization:
    """Nodes and initializers that are added to a graph."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        self.onnx, self.graph = onnx, graph
        self.readers: dict[str, list[tuple[Any, int]]] = {}
        for node in graph.node:
            for place, name in enumerate(node.input):
                self.readers.setdefault(name, []).append((node, place))
        self.known: dict[tuple[str, Grid], str] = {}
        self.added: dict[str, list[Any]] = {}

    def uses(self, name: str) -> list[Any]:
        """The nodes that compute with a weight, or with what is moved of it."""
        found = []
        for node, place in self.readers.get(name, []):
            if node.op_type in MOVES and place == 0:
                found += self.uses(node.output[0])
            elif USES.get(node.op_type) == place:
                found.append(node)
            else:
                raise UnsupportedError(
                    f"an ONNX file holds activations of convolutions and products, and {name} is "
                    f"used by {node.op_type}; plan the layer with float activations"
                )
        return found

    def quantized(self, name: str, grid: Grid) -> str:
        """Name of the value on the grid."""
        if (name, grid) not in self.known:
            stem, last = f"{name}.grid{len(self.known)}", name
            nodes = self.added.setdefault(name, [])
            if grid.high - grid.low < CODES:
                ends = [self._array(f"{stem}.{end}", np.float32(grid.scale * level))
                        for end, level in (("low", grid.low), ("high", grid.high))]  # fmt: skip
                nodes.append(self._node("Clip", [last, *ends], last := f"{stem}.clipped"))
            scale = self._array(f"{stem}.scale", np.float32(grid.scale))
            zero = self._array(f"{stem}.zero", np.uint8(-grid.low))
            nodes.append(self._node("QuantizeLinear", [last, scale, zero], f"{stem}.codes"))
            codes = [f"{stem}.codes", scale, zero]
            nodes.append(self._node("DequantizeLinear", codes, f"{stem}.values"))
            self.known[name, grid] = f"{stem}.values"
        return self.known[name, grid]

    def in_order(self, nodes: list[Any]) -> list[Any]:
        """All nodes, each after those that it reads."""
        made = {output for node in nodes for output in node.output}
        found = [new for name, news in self.added.items() if name not in made for new in news]
        for node in nodes:
            found.append(node)
            found += [new for output in node.output for new in self.added.get(output, [])]
        return found

    def _array(self, name: str, value: Any) -> str:
        self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.array(value), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str) -> Any:
        return self.onnx.helper.make_node(kind, inputs, [output])
