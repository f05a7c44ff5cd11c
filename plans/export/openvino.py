"""OpenVINO IR (an .xml file and a .bin beside it) whose weights are constants of few bits.

A code is stored in u2, u3, u4, u6 or u8, whichever is the smallest that holds it; 5 bits take 6,
and 7 take 8. A weight is Multiply(Subtract(Convert(codes), zero), scale), bit for bit that of the
applied network. Where groups do not divide a channel, the weight is in float.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.problems.packages import package

from ..codes import QuantizedWeight, quantized_weights
from .base import Applied, Exported, NetworkTarget
from .onnx import plain, refuse_activations
from .slim import drop_zero_biases
from .unpacking import split_shape, spread

WIDTHS = (2, 3, 4, 6, 8, 16)

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
"""Without these, linear layers round what they read to 8 bits where the processor can."""


@dataclass(frozen=True)
class OpenVino(NetworkTarget):
    """See the module."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write an applied network; dimensions are free as in ONNX files.

        Raises:
            UnsupportedError: a package is missing, activations are quantized, or torch cannot
                export the network.
            DataError: the path does not end in .xml, or there are no inputs.
        """
        openvino = _package("openvino")
        if Path(path).suffix != ".xml":
            raise DataError(f"OpenVINO reads an .xml file with a .bin beside it, got {path}")
        plan = given.plan
        refuse_activations(plan.table, "an OpenVINO file")
        weights = quantized_weights(given.model, given.network, plan.table, plan.choices)
        proto = importlib.import_module("onnx_ir").to_proto(plain(given))
        drop_zero_biases(importlib.import_module("onnx"), proto.graph)
        model = openvino.Core().read_model(proto.SerializeToString())
        constants = {
            node.get_friendly_name(): node
            for node in model.get_ops()
            if node.get_type_name() == "Constant"
        }
        for weight in weights:
            if not _fits(weight):
                continue
            if weight.parameter not in constants:
                raise UnsupportedError(
                    f"OpenVINO has changed the weight {weight.parameter}, so its codes cannot be "
                    "stored; leave the layer in float"
                )
            made = _dequantized(weight)
            for reader in constants[weight.parameter].output(0).get_target_inputs():
                reader.replace_source_output(made.output(0))
        _name(model)
        size = 0
        with tempfile.TemporaryDirectory() as folder:
            openvino.serialize(model, f"{folder}/model.xml", f"{folder}/model.bin")
            for suffix in (".bin", ".xml"):
                content = Path(folder, f"model{suffix}").read_bytes()
                write_atomically(Path(path).with_suffix(suffix), content)
                size += len(content)
        return Exported(size, given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """A module that runs the file in OpenVINO."""
        openvino = _package("openvino")
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", EXACT)
        except RuntimeError as error:
            raise DataError(
                f"{path}: OpenVINO cannot load it ({str(error).splitlines()[-1][:200]}); "
                "export it again"
            ) from None
        return OpenVinoModule(compiled).eval()


class OpenVinoModule(nn.Module):
    """A compiled model of OpenVINO as a module; arguments are the model's inputs in their order.

    Args:
        compiled: an ``openvino.CompiledModel``.
    """

    def __init__(self, compiled: Any) -> None:
        super().__init__()
        self.compiled = compiled

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        """The output, or a tuple of several.

        Raises:
            DataError: the file is not for inputs of these shapes.
        """
        feeds: dict[Any, Any] = dict(enumerate(value.contiguous().numpy() for value in args))
        feeds |= {name: value.contiguous().numpy() for name, value in kwargs.items()}
        try:
            outputs = self.compiled(feeds).values()
        except RuntimeError as error:
            raise DataError(f"OpenVINO refuses the inputs: {str(error)[-300:]}") from error
        found = [torch.from_numpy(np.array(value)) for value in outputs]
        return found[0] if len(found) == 1 else tuple(found)


def _name(model: Any) -> None:
    """Short names in order: OpenVINO's own count the nodes that the process has made."""
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"n{number}")


def _fits(weight: QuantizedWeight) -> bool:
    """Whether all groups of a row are of one size."""
    whole: int = weight.codes.shape[1] % max(1, weight.layer.group_size)
    return weight.steps.shape[1] == 1 or whole == 0


def _dequantized(weight: QuantizedWeight) -> Any:
    """The last of the nodes that make a weight."""
    openvino, ops = _package("openvino"), _package("openvino.opset13")
    split, perm = split_shape(weight)
    rows, groups = weight.codes.shape[0], weight.steps.shape[1]
    shape = [rows, groups, weight.layer.group_size] if groups > 1 else split
    zero, scale = (
        values.reshape(rows, groups, 1) if groups > 1 else spread(values, shape)
        for values in (weight.points, weight.steps)
    )
    bits = next(width for width in WIDTHS if width >= max(2, weight.bits))
    kind = getattr(openvino.Type, f"u{bits}")
    codes = openvino.op.Constant(kind, openvino.Shape(shape), weight.codes.reshape(-1).tolist())
    node = ops.subtract(ops.convert(codes, "f32"), ops.constant(zero.astype(np.float32)))
    node = ops.multiply(node, ops.constant(scale.astype(np.float32)))
    if perm:
        if shape != split:
            node = ops.reshape(node, ops.constant(np.array(split)), special_zero=False)
        node = ops.transpose(node, ops.constant(np.array(perm)))
    if list(node.output(0).get_shape()) != list(weight.shape):
        node = ops.reshape(node, ops.constant(np.array(weight.shape)), special_zero=False)
    return node


def _package(name: str) -> Any:
    return package(name, "openvino", "an OpenVINO file")


TARGET = OpenVino()
