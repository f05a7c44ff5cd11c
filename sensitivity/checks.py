"""Refuse, in one sentence, a network or loss whose per-sample scores would be wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

from .batches import Batch, cut
from .capture import backward_through
from .context import Context
from .kinds.base import Use

_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
_ROUGH = 5e-2
"""Relative tolerance for types of less precision than float32."""


def refuse_training(model: nn.Module) -> None:
    """Refuse a model with any module in training mode."""
    training = next((name for name, module in model.named_modules() if module.training), None)
    if training is not None:
        where = f"its module {training!r}" if training else "it"
        raise UnsupportedError(
            f"the model must be in evaluation mode, but {where} is in training mode; "
            "call model.eval() first"
        )


def refuse_unfit(context: Context) -> None:
    """Refuse what would make scores wrong, found on the first batch.

    Two runs must agree, buffers must stay, losses must be finite; the loss of one sample must not
    depend on another, and the scores of that sample must equal the ones from plain autograd,
    which fails when a weight is also used where it cannot be seen. This costs three forwards and,
    where the batch can be cut to two samples, next to nothing else.

    Raises:
        UnsupportedError, DataError: with the reason.
    """
    batch = context.batches[0]
    before = {name: value.clone() for name, value in context.model.named_buffers()}
    with torch.no_grad():
        first, second = context.losses(batch), context.losses(batch)
    for name, value in context.model.named_buffers():
        if not torch.equal(value, before[name]):
            raise UnsupportedError(
                f"a forward pass changes the buffer {name}; normalise with stored statistics"
            )
    if not bool(torch.isfinite(first).all()):
        worst = int((~torch.isfinite(first)).nonzero()[0])
        raise DataError(f"the loss of sample {worst} of the first batch is {float(first[worst])}")
    if not torch.allclose(first, second, rtol=_tolerance(first), atol=1e-6):
        gap = float((first - second).abs().max())
        raise UnsupportedError(
            f"two runs on the same batch give losses up to {gap:.2g} apart; switch off dropout and "
            "other randomness"
        )
    _refuse_mixed_or_hidden(context, cut(batch, len(first), 2))


def _refuse_mixed_or_hidden(context: Context, batch: Batch) -> None:
    """One backward pass from the first sample's loss alone, weights taking gradients."""
    names = {id(layer.weight): layer.info.name for layer in context.layers}
    scores = {key: torch.zeros(len(context.bits), dtype=torch.float64) for key in names}
    index = context.place

    def consume(use: Use, grad: Tensor, samples: int) -> None:
        key = id(use.weight)
        if bool(grad.reshape(samples, -1)[1:].any()):
            raise UnsupportedError(
                f"the loss of one sample depends on another one at layer {names[key]}: the loss or "
                "a layer mixes samples, or the first dimension does not run over samples"
            )
        delta = context.delta(index[key])
        scores[key] += use.scores(grad, delta, samples)[0].double().cpu()

    weights = [layer.weight for layer in context.layers]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        _, gradients = backward_through(
            lambda: context.losses(batch), context.weights, consume, sample=0, wanted=weights
        )
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        raise UnsupportedError(
            "an operation changes a layer's input or weight in place after the layer used it"
        ) from None
    finally:
        for weight in weights:
            weight.requires_grad_(False)
    for number, (layer, gradient) in enumerate(zip(context.layers, gradients, strict=True)):
        _compare(context, number, scores[id(layer.weight)], gradient)


def _compare(context: Context, number: int, scores: Tensor, gradient: Tensor | None) -> None:
    """Scores of one sample against its weight gradient by autograd."""
    delta = context.delta(number).double().flatten(1)
    full = torch.zeros_like(delta[0]) if gradient is None else gradient.double().flatten()
    gap = ((delta @ full).cpu() - scores).abs()
    scale = (delta.abs() @ full.abs()).cpu()
    layer = context.layers[number]
    if bool((gap > _tolerance(layer.weight) * scale + 1e-30).any()):
        raise UnsupportedError(
            f"the scores of layer {layer.info.name} disagree with autograd: its weight is also "
            "used where it cannot be seen, e.g. through a view, a copy or a scripted module"
        )


def _tolerance(tensor: Tensor) -> float:
    return _TOLERANCE.get(tensor.dtype, _ROUGH)
