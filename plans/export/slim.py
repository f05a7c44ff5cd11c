"""Take out of an ONNX model what no runtime needs, and write it shorter.

Batch norm keeps two vectors of its four: with a = gamma / sqrt(var + eps) and b = beta - a mean,
computed in double precision, it is a x + b. The other two are zeros and ones, which the graph
makes, so that runtimes still merge it into the convolution before it.
"""

from __future__ import annotations

import itertools
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .unpacking import DOMAIN, FLOAT

CONVOLUTIONS = ("Conv", "ConvTranspose")


def slim(onnx: Any, proto: Any, keep: Iterable[str] = ()) -> None:
    """Shorten names, store equal constants once, and drop metadata and default attributes.

    Args:
        onnx: the package.
        proto: the model, which is changed.
        keep: names of values that stay, beside those of inputs and outputs.
    """
    _shorten_norms(onnx, proto)
    drop_zero_biases(onnx, proto.graph)
    _share(proto.graph)
    for holder in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        _bare(holder)
    for value in (*proto.graph.input, *proto.graph.output):
        _bare(value)
    del proto.graph.value_info[:]
    opset = opset_of(proto)
    for node in proto.graph.node:
        node.ClearField("name")
        _drop_defaults(onnx, node, opset)
    _rename(proto.graph, keep)
    proto.graph.name = "g"
    for name in ("producer_name", "producer_version", "doc_string"):
        proto.ClearField(name)


def _shorten_norms(onnx: Any, proto: Any) -> None:
    """Two vectors instead of four for batch norms whose four no other node uses."""
    graph, sizes = proto.graph, set()
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        own = node.input[1:]
        if node.op_type != "BatchNormalization" or any(
            name not in tensors or uses[name] > 1 or tensors[name].data_type != FLOAT
            for name in own
        ):
            continue
        attributes = {a.name: a for a in node.attribute}
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
        arrays = [onnx.numpy_helper.to_array(tensors[name]) for name in own]
        scale, bias, mean, variance = (array.astype(np.float64) for array in arrays)
        factor = scale / np.sqrt(variance + epsilon)
        for name, values in zip(own, (factor, bias - factor * mean), strict=False):
            stored = onnx.numpy_helper.from_array(values.astype(np.float32), name)
            tensors[name].CopyFrom(stored)
        sizes.add(factor.size)
        others = [f"{DOMAIN}.{value}.{factor.size}" for value in (0, 1)]
        inputs, output = [*node.input[:3], *others], node.output
        node.CopyFrom(onnx.helper.make_node("BatchNormalization", inputs, output, epsilon=0.0))
    constants = []
    for size in sorted(sizes):
        shape = f"{DOMAIN}.{size}"
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([size]), shape))
        for value in (0, 1):
            filled = onnx.helper.make_tensor("", FLOAT, [1], [float(value)])
            name = f"{DOMAIN}.{value}.{size}"
            made = onnx.helper.make_node("ConstantOfShape", [shape], [name], value=filled)
            constants.append(made)
    nodes = [*constants, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def drop_zero_biases(onnx: Any, graph: Any) -> None:
    """Drop the zeros that torch gives a convolution without bias."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in CONVOLUTIONS and len(node.input) == 3 and node.input[2] in tensors:
            values = onnx.numpy_helper.to_array(tensors[node.input[2]])
            if not values.any():
                del node.input[2]
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    for name in tensors.keys() - used:
        graph.initializer.remove(tensors[name])


def _bare(holder: Any) -> None:
    del holder.metadata_props[:]
    if "doc_string" in holder.DESCRIPTOR.fields_by_name:
        holder.ClearField("doc_string")


def _share(graph: Any) -> None:
    """Store equal initializers once."""
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    outputs = {value.name for value in graph.output}
    for tensor in list(graph.initializer):
        name, tensor.name = tensor.name, ""
        content = tensor.SerializeToString()
        tensor.name = name
        if name not in outputs and first.setdefault(content, name) != name:
            same[name] = first[content]
            graph.initializer.remove(tensor)
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]


def _drop_defaults(onnx: Any, node: Any, opset: int) -> None:
    """Drop attributes that say what their absence says."""
    if node.domain:
        return
    known = onnx.defs.get_schema(node.op_type, opset).attributes
    for attribute in list(node.attribute):
        default = known[attribute.name].default_value
        value = onnx.helper.get_attribute_value(attribute)
        spatial = node.op_type in CONVOLUTIONS and _absent(attribute.name, value)
        if spatial or (default.type and onnx.helper.get_attribute_value(default) == value):
            node.attribute.remove(attribute)


def _absent(name: str, value: Any) -> bool:
    """Whether a convolution without this attribute is the same; its weight states the kernel."""
    if name in ("strides", "dilations"):
        return set(value) == {1}
    if name in ("pads", "output_padding"):
        return set(value) == {0}
    return name == "kernel_shape"


def opset_of(proto: Any) -> int:
    """Version of the standard operators."""
    return int(next(one.version for one in proto.opset_import if not one.domain))


def _rename(graph: Any, keep: Iterable[str]) -> None:
    """Give every inner value a short name, in order of use."""
    kept = {value.name for value in (*graph.input, *graph.output)} | {"", *keep}
    names, short = _names(kept), {name: name for name in kept}
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [short[n] if n in short else short.setdefault(n, next(names)) for n in field]
    for tensor in graph.initializer:
        tensor.name = short[tensor.name] if tensor.name in short else next(names)


def _names(taken: set[str]) -> Iterator[str]:
    letters = string.ascii_letters
    for size in itertools.count(1):
        for parts in itertools.product(letters, repeat=size):
            if (name := "".join(parts)) not in taken:
                yield name
