"""ONNX files whose weights are stored at their true widths, for onnxruntime.

Weights are codes and scales, and operators of the graph make the float weights (`unpacking`).
A runtime folds them when it loads the file, so the file is small and computing is that of float
weights.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.problems.packages import package, quiet
from bitknap.sensitivity import SensitivityTable

from ..codes import QuantizedWeight, quantized_weights
from .activations import quantize_inputs_in
from .base import Applied, Exported, NetworkTarget
from .slim import slim
from .unpacking import Unpacking

OPSET = 18


@dataclass(frozen=True)
class Onnx(NetworkTarget):
    """See the module."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write an applied network.

        Free are the first dimension of its inputs, and those in which the calibration batches
        differ.

        Raises:
            UnsupportedError: onnx or onnxscript is missing, torch cannot export the network, or a
                grid of activations does not fit the graph.
            DataError: there are no inputs to trace the network with.
        """
        onnx = _package("onnx")
        table = given.plan.table
        weights = quantized_weights(given.model, given.network, table, given.plan.choices)
        proto = importlib.import_module("onnx_ir").to_proto(plain(given))
        if table.activations is not None:
            items = zip(table.layers, given.plan.items.tolist(), strict=True)
            grids = {layer.parameter: table.activations.at(item) for layer, item in items}
            used = {name: grid for name, grid in grids.items() if grid.scale}
            quantize_inputs_in(onnx, proto, used)
        unpack_in(onnx, proto, weights)
        slim(onnx, proto, keep=[weight.parameter for weight in weights])
        onnx.checker.check_model(proto)
        write_atomically(path, content := proto.SerializeToString())
        return Exported(len(content), given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """A module that runs the file in onnxruntime."""
        runtime = _package("onnxruntime")
        try:
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:
            raise DataError(
                f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0][:200]}); "
                "export it again"
            ) from None
        return OnnxModule(session).eval()


class OnnxModule(nn.Module):
    """A session of onnxruntime as a module; arguments are the graph's inputs in their order.

    Args:
        session: an ``onnxruntime.InferenceSession``.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.names = [one.name for one in session.get_inputs()]

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        """The output, or a tuple of several.

        Raises:
            DataError: the file is not for inputs of these shapes.
        """
        given = {**dict(zip(self.names, args, strict=False)), **kwargs}
        feeds = {name: given[name].detach().cpu().numpy() for name in self.names}
        try:
            outputs = self.session.run(None, feeds)
        except Exception as error:
            raise DataError(f"onnxruntime refuses the inputs: {str(error)[:300]}") from error
        found = [torch.from_numpy(value) for value in outputs]
        return found[0] if len(found) == 1 else tuple(found)


def refuse_activations(table: SensitivityTable, what: str) -> None:
    """Refuse a plan that quantizes what layers read.

    Raises:
        UnsupportedError: it does.
    """
    if table.activations is not None:
        raise UnsupportedError(f"{what} holds quantized weights; plan without activation bits")


def unpack_in(onnx: Any, proto: Any, weights: Sequence[QuantizedWeight]) -> None:
    """Replace float initializers of a model by codes, scales and nodes that unpack them."""
    graph = proto.graph
    by_name = {tensor.name: tensor for tensor in graph.initializer}
    made = Unpacking(onnx)
    for weight in weights:
        if weight.parameter not in by_name:
            raise UnsupportedError(
                f"torch.onnx has changed the weight {weight.parameter}, so its codes cannot be "
                "stored; leave the layer in float"
            )
        graph.initializer.remove(by_name[weight.parameter])
        made.add(weight)
    graph.initializer.extend(made.initializers)
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made.nodes, *kept])


def plain(given: Applied) -> Any:
    """The network with float weights and inputs, nothing folded together, as an ``onnx_ir`` model.

    Raises:
        UnsupportedError: torch cannot export it, or a package is missing.
        DataError: there are no inputs.
    """
    optimizer = _package("onnxscript.optimizer")
    if not given.calls:
        raise DataError("pass inputs=(x, ...), the positional inputs of the network's forward")
    network = given.network
    if given.plan.table.activations is not None:
        network = copy(network)
        del network.__dict__["forward"]  # that of the class, which quantizes no inputs
    args, kwargs = given.calls[0]
    signature = inspect.signature(network.forward)
    calls = [signature.bind(*args, **kwargs).arguments for args, kwargs in given.calls]
    alike = [call for call in calls if call.keys() == calls[0].keys()]
    batch = Dim("batch")
    shapes = {name: _free([call[name] for call in alike], batch) for name in calls[0]}
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                args,
                kwargs=kwargs or None,
                dynamo=True,
                dynamic_shapes=shapes,
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
    names = {layer.parameter for layer in given.plan.table.layers}

    def folds(node: Any) -> bool | None:
        """Nothing that reads a layer's weight, which has to stay on its grid."""
        return False if any(x is not None and x.name in names for x in node.inputs) else None

    optimizer.fold_constants(program.model, should_fold=folds)
    optimizer.remove_unused_nodes(program.model)
    return program.model


def _free(values: Sequence[Any], batch: Any) -> Any:
    """The free dimensions of every tensor in a nested argument, of which there are some values.

    They are the first one, and those in which the values differ.
    """
    first = values[0]
    if isinstance(first, tuple | list):
        return [_free(parts, batch) for parts in zip(*values, strict=False)]
    if not isinstance(first, Tensor) or not first.dim():
        return None
    shapes = [value.shape for value in values if value.dim() == first.dim()]
    free = {dim for dim in range(1, first.dim()) if len({shape[dim] for shape in shapes}) > 1}
    return {0: batch} | dict.fromkeys(sorted(free), Dim.AUTO)


def _package(name: str) -> Any:
    return package(name, "onnx", "an ONNX file")


TARGET = Onnx()
