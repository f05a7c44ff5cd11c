"""Per-sample gradients of any weight, however it is used: the general path to scores.

A batch that can be cut runs one sample at a time; in another one the graph of all samples is
differentiated once for each of them. This needs no knowledge of the calls, so no use is missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from bitknap.problems.errors import BitknapError, UnsupportedError

from .batches import Batch, can_be_cut, take
from .calls import explained
from .capture import Watch

Value = Callable[[Batch, slice], Tensor]
"""``value(piece, rows)``: (n,) values of the samples ``rows`` of a batch, which the piece holds."""

Reads = list[tuple[Tensor, Tensor, Tensor]]
"""A weight, what a use of it read, and the gradient through that use alone."""


def sample_gradients(
    batch: Batch,
    samples: int,
    value: Value,
    weights: Sequence[Tensor],
    *,
    tapped: bool = False,
    expected: Tensor | None = None,
    eps: float = 0.0,
) -> Iterator[tuple[list[Tensor | None], Reads]]:
    """The gradient of each sample's value by every weight, sample by sample.

    A piece that fails alone belongs to a batch that only seems to be cut; the graph of the whole
    batch serves then.

    Args:
        batch: N samples.
        samples: N.
        value: what is differentiated.
        weights: those whose gradients are wanted.
        tapped: give the activations that the weights' uses read, and their gradients, too.
        expected: (N,) values that the samples have in the whole batch, where known.
        eps: the machine epsilon that they were computed with.

    Raises:
        UnsupportedError: a sample's value depends on the other samples, or has no derivative.
    """
    reads: list[tuple[Tensor, Tensor, Tensor]] = []
    watch = _taps(weights, reads) if tapped else None
    alone = samples > 1 and cuts(batch, samples, lambda piece: value(piece, slice(0, 1)))
    done = 0
    with differentiable(weights):
        while done < samples:
            rows = slice(done, done + 1) if alone else slice(0, samples)
            reads.clear()
            try:
                with watch or nullcontext():
                    values = value(take(batch, rows) if alone else batch, rows)
                one_each(values, rows.stop - rows.start)
            except BitknapError:
                if not alone:
                    raise
                alone = False
                continue
            if expected is not None:
                refuse_other_values(values.detach(), expected, range(samples)[rows], eps)
            wanted = [*weights, *(tapped for _, _, tapped in reads)]
            for place in range(0 if alone else done, len(values)):
                last = place == len(values) - 1
                found = gradients(values[place], wanted, keep=not last)
                pairs = zip(reads, found[len(weights) :], strict=True)
                moved = [(w, inputs, g) for (w, inputs, _), g in pairs if g is not None]
                yield found[: len(weights)], moved
            done = rows.stop


def cuts(batch: Batch, samples: int, losses: Callable[[Batch], Tensor]) -> bool:
    """Whether a batch's every tensor runs over samples, and its first one alone is one sample.

    Lengths can be equal by chance: a piece of such a batch means nothing, so it fails.
    """
    if not can_be_cut(batch, samples):
        return False
    try:
        with torch.no_grad():
            one_each(losses(take(batch, [0])), 1)
    except BitknapError:
        return False
    return True


def one_each(losses: Tensor, samples: int) -> Tensor:
    """The losses of a piece of a batch, one for each sample.

    Raises:
        UnsupportedError: there are more or fewer.
    """
    if len(losses) != samples:
        raise UnsupportedError(
            f"{samples} of a batch's samples alone have {len(losses)} losses: the batch does not "
            "run over samples first, so it cannot be cut; leave chunk out"
        )
    return losses


@contextmanager
def differentiable(weights: Sequence[Tensor]) -> Iterator[None]:
    """The weights require gradients inside."""
    try:
        for weight in weights:
            weight.requires_grad_(True)
        with torch.enable_grad():
            yield
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def gradients(
    value: Tensor, wanted: Sequence[Tensor], *, keep: bool = False
) -> list[Tensor | None]:
    """Gradients of one number, dense and detached; None where it does not depend on a tensor.

    Raises:
        UnsupportedError: the backward pass fails.
    """
    if not value.requires_grad or not wanted:
        return [None] * len(wanted)
    try:
        found = torch.autograd.grad(value, wanted, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            raise UnsupportedError(
                "an operation changes a layer's input or weight in place after the layer used it; "
                "write that operation out of place"
            ) from error
        if "use_reentrant" in str(error):
            raise UnsupportedError(
                "the network uses re-entrant checkpointing, which keeps gradients from its "
                "weights; pass use_reentrant=False to torch.utils.checkpoint"
            ) from error
        raise UnsupportedError(str(explained("the backward pass", error))) from error
    return [None if g is None else (g.to_dense() if g.is_sparse else g).detach() for g in found]


def equal_within_rounding(found: Tensor, wanted: Tensor, losses: Tensor, eps: float) -> Tensor:
    """(n,) whether losses are equal up to sqrt(eps) of their own size or of the mean of all."""
    size = wanted.abs().clamp(min=losses.abs().mean()).double()
    return (found.double() - wanted.double()).abs() <= math.sqrt(eps) * size + 10 * eps


def refuse_other_values(found: Tensor, losses: Tensor, rows: Sequence[int], eps: float) -> None:
    """Refuse samples whose losses without the rest of their batch are others.

    Args:
        found: (n,) losses of some samples without the others.
        losses: (N,) losses in the whole batch.
        rows: (n,) places of the samples in it.
        eps: the machine epsilon of the coarsest type that anything was computed in.

    Raises:
        UnsupportedError: naming the first one.
    """
    wanted = losses[list(rows)]
    close = equal_within_rounding(found, wanted, losses, eps)
    if not bool(close.all()):
        place = int((~close).nonzero()[0])
        raise UnsupportedError(
            f"the loss of one sample depends on another one: sample {rows[place]} has "
            f"{float(wanted[place]):.5g} in its batch and {float(found[place]):.5g} without it; "
            "use batches of one sample, or a network that treats samples alone (a tensor of the "
            "batch that holds no samples may not be as long as the batch)"
        )


def _taps(weights: Sequence[Tensor], reads: Reads) -> Watch:
    def tap(weight: Tensor, inputs: Tensor) -> Tensor:
        detached = inputs.detach()
        if inputs.requires_grad:
            tapped: Tensor = inputs.view_as(inputs)
        else:
            tapped = detached.clone().requires_grad_(True)
        reads.append((weight, detached, tapped))
        return tapped

    return Watch({id(w): w for w in weights}, lambda kind, use, run: run(), tap)
