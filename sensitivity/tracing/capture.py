"""See every use of a quantizable weight in a forward pass, without editing the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.problems.catalogue import Catalogue
from bitknap.problems.errors import UnsupportedError

from .function_calls import Calls
from .kinds.base import Composite, LayerKind, Use
from .kinds.linear import KIND as LINEAR

KINDS = Catalogue("bitknap.sensitivity.tracing.kinds", "KIND", "kind of layer")

Run = Callable[[], Tensor]
Visit = Callable[[LayerKind, Use, Run], Tensor]
Tap = Callable[[Tensor, Tensor], Tensor]
"""``tap(weight, inputs)`` gives what a use of the weight reads in place of its inputs."""


def _handlers() -> dict[Any, LayerKind | Composite]:
    kinds = [KINDS.load(name) for name in KINDS.names()]
    return {function: kind for kind in kinds for function in kind.functions}


class Watch(Calls):
    """Hands every call whose weight is one of the given parameters to a visitor.

    Watching functions rather than modules sees what the call really received: a subclass that
    pads its input, a weight used by two modules, a module that runs twice.

    Args:
        weights: the parameters watched.
        visit: called with the kind of layer, its use and a function that runs the call; returns
            the call's output, changed or not.
        tap: changes the activations that each call reads, before it is visited.
    """

    def __init__(self, weights: Mapping[int, Tensor], visit: Visit, tap: Tap | None = None) -> None:
        super().__init__()
        self._weights, self._visit, self._tap = weights, visit, tap
        self._handlers = _handlers()

    def call(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Visit what reads a watched weight; run other calls as they are."""
        kind = self._handlers.get(func)
        if kind is None:
            return func(*args, **keywords)
        if isinstance(kind, Composite):
            return kind.expand(self._linear, *args, **keywords)
        use = kind.bind(*args, **keywords)
        if use is None or id(use.weight) not in self._weights:
            return func(*args, **keywords)
        if self._tap is not None and kind.source is not None:
            before = kind.source(*args, **keywords)
            after = self._tap(use.weight, before)
            args = tuple(after if item is before else item for item in args)
            keywords = {k: after if item is before else item for k, item in keywords.items()}
            use = kind.bind(*args, **keywords)
            assert use is not None
        return self._visit(kind, use, lambda: func(*args, **keywords))

    def _linear(self, use: Use, bias: Tensor | None) -> Tensor:
        def run() -> Tensor:
            part = getattr(use, "part", slice(None))
            return F.linear(use.inputs, use.weight[part], bias)

        if id(use.weight) not in self._weights:
            return run()
        if self._tap is not None:
            use.inputs = self._tap(use.weight, use.inputs)
        return self._visit(LINEAR, use, run)


@contextmanager
def substituted(values: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Other values in some parameters inside, which hold their own again afterwards.

    Args:
        values: each parameter and the value that stands in for it, of its shape and type.
    """
    originals = [(weight, weight.data) for weight, _ in values]
    try:
        for weight, value in values:
            weight.data = value
        yield
    finally:
        for weight, value in originals:
            weight.data = value


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No parameter requires a gradient inside; the flags are as before afterwards.

    The fused attention path is off as well: it hides its weights and rounds differently.
    """
    flags = [(p, p.requires_grad) for p in model.parameters() if p.is_leaf]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        with without_fused_attention():
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def without_fused_attention() -> Iterator[None]:
    """Attention calls functions that a `Watch` sees."""
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class _Anchor(torch.autograd.Function):
    """Identity, in place, that makes its result part of the graph of ``anchor``."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor) -> Tensor:
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _TapNode(torch.autograd.Function):
    """Identity whose result is a node of its own in the graph of ``anchor``."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, anchor: Tensor) -> Tensor:
        return inputs.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def backward_through(
    objective: Callable[[], Tensor],
    weights: Mapping[int, Tensor],
    consume: Callable[[Use, Tensor, int], None],
    *,
    read: Callable[[Tensor, Tensor, Tensor, int], None] | None = None,
    only: Sequence[int] | slice = slice(None),
    wanted: Sequence[Tensor] = (),
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """One forward and one backward; ``consume`` sees each use and its output's gradient.

    Gradients run to the outputs of the watched uses only: no weight gradient is computed.

    Args:
        objective: runs the network and returns one value per sample, (N,).
        weights: the watched parameters by id.
        consume: called with the use, the gradient and N during the backward pass, last use first.
        read: likewise with the weight, the activations that a use read, the gradient through that
            use alone, and N.
        only: the samples whose values are summed for the gradient; all of them by default.
        wanted: tensors whose own gradient is wanted too.

    Returns:
        (N,) values of the objective, detached, and the wanted gradients.
    """
    device = next(iter(weights.values())).device
    anchor = torch.zeros((), device=device, requires_grad=True)

    # The hooks live in the graph of the values, so they must not refer to the values themselves:
    # that cycle runs through C++ and would never be freed.
    samples = [0]

    def visit(_kind: LayerKind, use: Use, run: Run) -> Tensor:
        output = run()
        if not torch.is_grad_enabled():
            return output
        if output._base is use.weight:
            output = output.clone()
        if not output.requires_grad:
            output = _Anchor.apply(output, anchor)  # type: ignore[no-untyped-call]
        # Hooks live as long as the graph; what they hold is let go as the backward pass goes.
        held, version = [use], use.inputs._version

        def hook(grad: Tensor) -> None:
            use = held.pop()
            _refuse_changed(use.inputs, version)
            if use.rows:
                with torch.no_grad():
                    consume(use, grad.detach(), samples[0])

        output.register_hook(hook)  # type: ignore[no-untyped-call]
        return output

    def tap(weight: Tensor, inputs: Tensor) -> Tensor:
        if read is None or not torch.is_grad_enabled():
            return inputs
        held, version = [inputs.detach()], inputs._version
        tapped: Tensor = _TapNode.apply(inputs, anchor)  # type: ignore[no-untyped-call]

        def hook(grad: Tensor) -> None:
            plain = held.pop()
            _refuse_changed(plain, version)
            with torch.no_grad():
                read(weight, plain, grad.detach(), samples[0])

        tapped.register_hook(hook)  # type: ignore[no-untyped-call]
        return tapped

    with torch.enable_grad():
        with Watch(weights, visit, None if read is None else tap):
            values = objective()
        if not values.requires_grad:
            return values.detach(), [None] * len(wanted)
        samples[0] = len(values)
        pick = torch.zeros_like(values)
        pick[only] = 1
        grads = torch.autograd.grad(values, [anchor, *wanted], pick, allow_unused=True)
    return values.detach(), grads[1:]


def _refuse_changed(inputs: Tensor, version: int) -> None:
    if inputs._version != version:
        raise UnsupportedError(
            "an operation changed the input of a layer in place after the layer read it; "
            "write that operation out of place"
        )
