"""ONNX files whose weights are stored at their true widths, for onnxruntime and OpenVINO.

Every quantized weight is an initializer of codes in planes of 8, 4, 2 and 1 bits (see `planes`)
and one of scales, with standard operators that make the float weight of them:

    Gather(table_w, Cast(plane)) gives the 8 / w values of each byte; their sum over the planes is
    the code u; (u - z) s, reshaped, is the weight, bit for bit that of the applied network.

A runtime folds these operators when it loads the file, so the file is small and computing is that
of float weights.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.quantization.channels import Channels

from ..codes import QuantizedWeight, quantized_weights
from ..planes import packed, packed_ternary, widths

OPSET = 18


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        size: bytes of the file.
        weights: bytes of the codes and scales in it.
    """

    size: int
    weights: int


def export(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
    inputs: Sequence[Any],
    path: str | os.PathLike[str],
) -> Exported:
    """Write an applied network as ONNX, the first dimension of its inputs free.

    Args:
        model: the float network.
        network: of `apply_plan` for it.
        table: the plan's.
        choices: layer -> label.
        inputs: positional inputs of ``network.forward``, samples first, two of them or more.
        path: the file.

    Raises:
        UnsupportedError: onnx or onnxscript is missing, activations are quantized, or torch cannot
            export the network.
    """
    onnx = _package("onnx")
    optimizer = _package("onnxscript.optimizer")
    if table.activations is not None:
        raise UnsupportedError("an ONNX file holds quantized weights; plan without activation bits")
    weights = quantized_weights(model, network, table, choices)
    program = _plain(network, inputs)
    # Constants alone: folding batch norm into weights would take these off their grids.
    optimizer.fold_constants(program)
    optimizer.remove_unused_nodes(program)
    proto = importlib.import_module("onnx_ir").to_proto(program)
    graph = proto.graph
    by_name = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    tables: dict[int, str] = {}
    size = 0
    for weight in weights:
        if weight.parameter not in by_name:
            raise UnsupportedError(
                f"torch.onnx has changed the weight {weight.parameter}, so its codes cannot be "
                "stored; leave the layer in float"
            )
        graph.initializer.remove(by_name[weight.parameter])
        made = _Unpacking(onnx, weight, f"q{len(nodes)}", tables)
        nodes += made.nodes
        graph.initializer.extend(made.initializers)
        size += made.size
    _strip(proto)
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    onnx.checker.check_model(proto)
    content = proto.SerializeToString()
    write_atomically(path, content)
    return Exported(len(content), size)


class _Unpacking:
    """Initializers and nodes of one weight.

    Args:
        onnx: the package.
        weight: codes, scales, zero points.
        name: that the names of all its parts begin with.
        tables: names of the tables of values by the width of a plane, shared by all weights.
    """

    def __init__(
        self, onnx: Any, weight: QuantizedWeight, name: str, tables: dict[int, str]
    ) -> None:
        self._onnx, self._name, self._tables = onnx, name, tables
        self.initializers: list[Any] = []
        self.nodes: list[Any] = []
        codes = self._codes(weight)
        rows = self._node("Reshape", [codes, self._array("rows", np.array(weight.codes.shape))])
        signed = self._node("Sub", [rows, self._zero(weight)])
        wide = self._node("Cast", [signed], to=onnx.TensorProto.FLOAT)
        scaled = self._node("Mul", [wide, self._array("scale", weight.scale)])
        self._shaped(scaled, weight)
        self.size = sum(len(tensor.raw_data) for tensor in self.initializers)

    def _zero(self, weight: QuantizedWeight) -> str:
        """Zero points as INT32: one where all are equal."""
        zero = weight.zero
        if (zero == zero.flat[0]).all():
            return self._array("zero", np.array(zero.flat[0], dtype=np.int32))
        stored = self._array("zero", zero.astype(np.uint8 if weight.bits <= 8 else np.uint16))
        return self._node("Cast", [stored], to=self._onnx.TensorProto.INT32)

    def _codes(self, weight: QuantizedWeight) -> str:
        """The unsigned codes, flat, as INT32."""
        count = weight.codes.size
        total, low = "", 0
        if weight.bits:
            planes = zip(packed(weight.codes, weight.bits), widths(weight.bits), strict=True)
        else:
            planes = zip(packed_ternary(weight.codes), [0], strict=True)
        for plane, width in planes:
            place = self._array("plane", plane)
            at = self._node("Cast", [place], to=self._onnx.TensorProto.INT32)
            values = self._node("Gather", [self._table(width), at])
            whole = self._node("Cast", [values], to=self._onnx.TensorProto.INT32)
            flat = self._node("Reshape", [whole, self._array("flat", np.array([-1]))])
            ends = [self._array("cut", np.array([edge])) for edge in (0, count)]
            part = self._node("Slice", [flat, *ends])
            if low:
                shift = self._array("shift", np.array(1 << low, dtype=np.int32))
                part = self._node("Mul", [part, shift])
            total = self._node("Add", [total, part]) if total else part
            low += width
        return total

    def _table(self, width: int) -> str:
        """(256, 8 / width) values of each byte; five base-3 digits for ternary codes."""
        if width not in self._tables:
            byte = np.arange(256)[:, None]
            values = (
                byte >> np.arange(0, 8, width) & ((1 << width) - 1)
                if width
                else byte // 3 ** np.arange(5) % 3
            )
            self._tables[width] = f"bitknap.table.{width}"
            tensor = self._onnx.numpy_helper.from_array(
                values.astype(np.uint8), self._tables[width]
            )
            self.initializers.append(tensor)
        return self._tables[width]

    def _shaped(self, rows: str, weight: QuantizedWeight) -> None:
        """Rows as the weight: `Channels.restored` in operators."""
        shape, perm = _split(weight.channels, weight.shape)
        if not weight.by_channel or perm == list(range(len(perm))):
            last = rows
        else:
            moved = self._node("Reshape", [rows, self._array("split", np.array(shape))])
            last = self._node("Transpose", [moved], perm=perm)
        target = self._array("shape", np.array(weight.shape, dtype=np.int64))
        self.nodes.append(
            self._onnx.helper.make_node("Reshape", [last, target], [weight.parameter])
        )

    def _array(self, what: str, values: NDArray[Any]) -> str:
        name = f"{self._name}{what}{len(self.initializers)}"
        self.initializers.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{self._name}.{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name


def _split(channels: Channels, shape: Sequence[int]) -> tuple[list[int], list[int]]:
    """The shape that rows are reshaped to, and the order of its dimensions in the weight."""
    split = [channels.groups, shape[0] // channels.groups, *shape[1:]]
    places = [0, *(dim % len(shape) + 1 for dim in channels.dims)]
    if channels.groups == 1:
        split, places = list(shape), [dim % len(shape) for dim in channels.dims]
    order = places + [dim for dim in range(len(split)) if dim not in places]
    return [split[dim] for dim in order], [order.index(dim) for dim in range(len(split))]


def _plain(network: nn.Module, inputs: Sequence[Any]) -> Any:
    """The network with float weights, nothing of it folded together."""
    batch = torch.export.Dim("batch")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                tuple(inputs),
                dynamo=True,
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                optimize=False,
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:
        raise UnsupportedError(
            f"torch.onnx cannot export the network ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:200]})"
        ) from error
    if program is None:
        raise DataError("torch.onnx.export gave no program")
    return program.model


def _strip(proto: Any) -> None:
    """Take out stack traces and shapes of intermediate values, which no runtime needs."""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for function in proto.functions:
        del function.metadata_props[:]
        del function.value_info[:]
        for node in function.node:
            del node.metadata_props[:]


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UnsupportedError(
            f"an ONNX file needs the package {name.partition('.')[0]}; pip install 'bitknap[onnx]'"
        ) from None
