"""The network as a graph of operations, traced by torch.export or, failing that, torch.fx."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from bitknap.problems.errors import UnsupportedError

from ..quantization.choices import FLOAT_BITS
from ..table.costs import ActivationPeak
from ..table.table import LayerInfo
from .batches import Batch, Forward, default_forward, tensors
from .capture import frozen

_SHAPE = """
    view reshape unsafe_view permute transpose t flatten unflatten squeeze unsqueeze contiguous
    clone expand expand_as view_as movedim swapaxes to to_copy float half double bfloat16 type_as
    alias detach dropout dropout1d dropout2d dropout3d feature_dropout native_dropout identity
    slice select getitem chunk split split_with_sizes unbind narrow pad roll
"""
_NORM = """
    batch_norm native_batch_norm layer_norm native_layer_norm group_norm native_group_norm
    instance_norm rms_norm batchnorm1d batchnorm2d batchnorm3d layernorm groupnorm rmsnorm
    instancenorm1d instancenorm2d instancenorm3d
"""
_ACTIVATION = """
    relu relu6 leaky_relu leakyrelu gelu silu hardswish hardtanh hardsigmoid sigmoid tanh elu
    softplus mish prelu clamp
"""

OPERATIONS: Mapping[str, frozenset[str]] = {
    "shape": frozenset(_SHAPE.split()),
    "norm": frozenset(_NORM.split()),
    "activation": frozenset(_ACTIVATION.split()),
    "add": frozenset({"add", "iadd"}),
}
"""Operations that outputs are followed through, by what they are."""

_PART = frozenset({"slice", "select", "getitem", "chunk", "split", "split_with_sizes", "unbind"})


@dataclass(frozen=True)
class Step:
    """One operation.

    Args:
        name: unique in the graph.
        op: what it does, without overload, module path or a final underscore, in lower case.
        inputs: earlier steps whose results it reads, parameters and constants left out.
        elements: floating-point values that it allocates; 0 for a view or where unknown.
        layer: the layer whose weight it reads, or None.
    """

    name: str
    op: str
    inputs: tuple[int, ...]
    elements: int = 0
    layer: str | None = None


@dataclass(frozen=True)
class Graph:
    """Steps in order of execution.

    Args:
        steps: every step's inputs come before it.
        names: all layers of the table, in its order.
        tracer: ``torch.export`` or ``torch.fx``.
        samples: samples of the traced batch; 0 where sizes are unknown.
    """

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    tracer: str
    samples: int = 0
    layers: Mapping[int, str] = field(init=False)

    def __post_init__(self) -> None:
        found = {i: step.layer for i, step in enumerate(self.steps) if step.layer is not None}
        object.__setattr__(self, "layers", found)

    def reached(self, *groups: str | None) -> list[frozenset[int]]:
        """For each step, the layers that it is the output of, up to certain operations.

        Args:
            groups: keys of `OPERATIONS` that are passed through; None for any operation.
        """
        through = frozenset().union(*(OPERATIONS[g] for g in groups if g is not None))
        found: list[frozenset[int]] = []
        for i, step in enumerate(self.steps):
            if step.layer is not None:
                found.append(frozenset({i}))
            elif None in groups or step.op in through:
                found.append(frozenset().union(*(found[j] for j in step.inputs)))
            else:
                found.append(frozenset())
        return found

    def input_of(self, index: int) -> int:
        """The step that a step reads, whole, changes of shape aside; -1 for none."""
        inputs = self.steps[index].inputs
        while inputs:
            index = inputs[0]
            step = self.steps[index]
            if step.op not in OPERATIONS["shape"] - _PART or len(step.inputs) != 1:
                return index
            inputs = step.inputs
        return index if self.steps[index].layer is None else -1

    def activation_peak(self) -> ActivationPeak:
        """Most activation values alive at once, see `ActivationPeak`.

        Raises:
            UnsupportedError: the graph was traced without sizes.
        """
        peak, where = self._peak([step.elements for step in self.steps])
        return ActivationPeak(peak, self.samples, self.steps[where].name)

    def activation_peak_bits(self, bits: Mapping[str, int]) -> int:
        """Peak for one sample in bits, rounded up, when layers read values of so many bits.

        A value is kept in the most bits that any of its readers asks for, and in 32 where one of
        them is not a layer, e.g. a residual addition: activation bits shrink what only layers read.

        Args:
            bits: layer -> activation bits; layers left out read float.

        Raises:
            UnsupportedError: the graph was traced without sizes.
        """
        wanted = [0] * len(self.steps)
        for i, step in reversed(list(enumerate(self.steps))):
            passed_on = step.op in OPERATIONS["shape"] and step.layer is None and wanted[i]
            asked = passed_on or bits.get(step.layer or "", FLOAT_BITS)
            for j in step.inputs:
                wanted[j] = max(wanted[j], asked)
        sizes = [s.elements * (w or FLOAT_BITS) for s, w in zip(self.steps, wanted, strict=True)]
        return -(-self._peak(sizes)[0] // self.samples)

    def _peak(self, sizes: Sequence[int]) -> tuple[int, int]:
        """The largest sum of sizes alive at once, and the step that runs then."""
        if not self.samples:
            raise UnsupportedError("the peak of activations needs sizes, which torch.fx lacks")
        last = list(range(len(self.steps)))
        for i, step in reversed(list(enumerate(self.steps))):
            for j in step.inputs:
                # A view keeps what it shows alive.
                last[j] = max(last[j], i, last[i] if not step.elements else i)
        alive, peak, where = 0, 0, 0
        ends: dict[int, int] = {}
        for i, size in enumerate(sizes):
            alive += size
            ends[last[i]] = ends.get(last[i], 0) + size
            if alive > peak:
                peak, where = alive, i
            alive -= ends.pop(i, 0)
        return peak, where


def trace(
    model: nn.Module,
    batch: Batch,
    layers: Sequence[LayerInfo],
    forward: Forward | None = None,
) -> Graph:
    """The graph of one forward pass.

    Args:
        model: in evaluation mode; not changed.
        batch: tensors, or tuples or dicts of them.
        layers: the table's.
        forward: ``forward(model, batch)`` -> output; default ``model(batch[0])``. The fallback to
            torch.fx traces the model's own forward instead.

    Raises:
        UnsupportedError: neither tracer can trace it.
    """
    names = {id(model.get_parameter(layer.parameter)): layer.name for layer in layers}
    order = tuple(layer.name for layer in layers)
    with warnings.catch_warnings(), torch.no_grad(), frozen(model):
        warnings.simplefilter("ignore")
        try:
            return _exported(model, batch, forward or default_forward, names, order)
        except Exception as error:  # torch.export raises exceptions of many kinds
            first = _line(error)
        try:
            return _symbolic(model, names, order)
        except Exception as error:
            raise UnsupportedError(
                f"the network cannot be traced, neither by torch.export ({first}) nor by torch.fx "
                f"({_line(error)}); tie layers by patterns instead"
            ) from None


class _Run(nn.Module):
    """A model with its forward function, as torch.export wants it."""

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.model, self._forward = model, forward

    def forward(self, batch: Any) -> Any:
        # Caches and the like, which torch.export does not know, are not part of the graph.
        return tuple(tensors(self._forward(self.model, batch)))


def _exported(
    model: nn.Module, batch: Batch, forward: Forward, names: Mapping[int, str], order: Any
) -> Graph:
    wrapped = _Run(model, forward).eval()
    program = torch.export.export(wrapped, (batch,))
    signature = program.graph_signature
    weights: dict[str, str | None] = {}
    for place, name in signature.inputs_to_parameters.items():
        weights[place] = names.get(id(wrapped.get_parameter(name)))
    for place in (*signature.inputs_to_buffers, *signature.inputs_to_lifted_tensor_constants):
        weights[place] = None
    inputs = [n for n in program.graph.nodes if n.op == "placeholder" and n.name not in weights]
    first = next(n.meta["val"] for n in inputs if isinstance(n.meta["val"], Tensor))
    return Graph(_steps(program.graph, weights, {}), order, "torch.export", len(first))


def _symbolic(model: nn.Module, names: Mapping[int, str], order: Any) -> Graph:
    traced = fx.symbolic_trace(model)
    modules = dict(model.named_modules())
    weights: dict[str, str | None] = {}
    kinds: dict[str, tuple[str, str | None]] = {}
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(traced)
            weights[node.name] = names.get(id(value))
        elif node.op == "call_module":
            module = modules[str(node.target)]
            layer = names.get(id(getattr(module, "weight", None)))
            kinds[node.name] = type(module).__name__, layer
    return Graph(_steps(traced.graph, weights, kinds), order, "torch.fx")


def _steps(
    graph: fx.Graph,
    weights: dict[str, str | None],
    modules: Mapping[str, tuple[str, str | None]],
) -> tuple[Step, ...]:
    """Steps of a graph whose parameters and constants are the nodes named in ``weights``."""
    place: dict[str, int] = {}
    steps: list[Step] = []
    for node in graph.nodes:
        if node.op == "output" or node.name in weights:
            continue
        read = node.all_input_nodes
        op = _operation(node)
        layer = next((weights[n.name] for n in read if weights.get(n.name)), None)
        if node.name in modules:
            op, layer = modules[node.name][0].lower(), modules[node.name][1]
        activations = _operands(node, place)
        if read and not activations and op in OPERATIONS["shape"]:
            # A view of a parameter or constant stands for it.
            weights[node.name] = layer
            continue
        steps.append(Step(node.name, op, activations, _elements(node, op), layer))
        place[node.name] = len(steps) - 1
    return tuple(steps)


def _operands(node: fx.Node, place: Mapping[str, int]) -> tuple[int, ...]:
    """Steps among the arguments, in order, one that is read twice standing twice."""
    found: list[int] = []

    def note(argument: fx.Node) -> fx.Node:
        if argument.name in place:
            found.append(place[argument.name])
        return argument

    fx.map_arg((node.args, node.kwargs), note)
    return tuple(found)


def _operation(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "placeholder"
    target: Any = node.target
    name = target if isinstance(target, str) else getattr(target, "_opname", target.__name__)
    return str(name).rsplit(".", 1)[-1].strip("_").lower()


def _elements(node: fx.Node, op: str) -> int:
    """Floating-point values allocated by a node; views and unknown sizes count nothing."""
    if op in OPERATIONS["shape"] - {"clone", "contiguous", "pad", "roll"}:
        return 0
    values = node.meta.get("val")
    tensors = values if isinstance(values, tuple | list) else [values]
    return sum(t.numel() for t in tensors if isinstance(t, Tensor) and t.is_floating_point())


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason'])[0]}"
