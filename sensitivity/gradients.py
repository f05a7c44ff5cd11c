"""Per-sample gradients of any weight, however it is used: the general path to scores.

A batch that can be cut runs one sample at a time; in another one the graph of all samples is
differentiated once for each of them. Nothing is known of the calls, so nothing can be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

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
    rough: bool = False,
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
        rough: they were computed in less than float32.

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
            except BitknapError:
                if not alone:
                    raise
                alone = False
                continue
            if expected is not None:
                refuse_other_values(values.detach(), expected[rows], range(samples)[rows], rough)
            wanted = [*weights, *(tapped for _, _, tapped in reads)]
            for place in range(0 if alone else done, len(values)):
                last = place == len(values) - 1
                found = gradients(values[place], wanted, keep=not last)
                pairs = zip(reads, found[len(weights) :], strict=True)
                moved = [(w, inputs, g) for (w, inputs, _), g in pairs if g is not None]
                yield found[: len(weights)], moved
            done = rows.stop


def cuts(batch: Batch, samples: int, run: Callable[[Batch], Any]) -> bool:
    """Whether a batch's every tensor runs over samples, and its first sample runs alone.

    Lengths can be equal by chance: a piece of such a batch means nothing, so it fails.
    """
    if not can_be_cut(batch, samples):
        return False
    try:
        with torch.no_grad():
            run(take(batch, [0]))
    except BitknapError:
        return False
    return True


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


def refuse_other_values(found: Tensor, expected: Tensor, names: Sequence[int], rough: bool) -> None:
    """Refuse samples whose values without the rest of their batch are others.

    Args:
        found: (n,) values of some samples without the others.
        expected: (n,) their values in the whole batch.
        names: (n,) their places in the batch.
        rough: computed in less than float32.

    Raises:
        UnsupportedError: naming the first one.
    """
    rtol, atol = (5e-2, 1e-2) if rough else (1e-3, 1e-6)
    same = found.shape == expected.shape
    close = torch.zeros_like(expected, dtype=torch.bool)
    if same:
        close = torch.isclose(found.double(), expected.double(), rtol=rtol, atol=atol)
    if not bool(close.all()):
        place = int((~close).nonzero()[0])
        got = f"{float(found[place]):.5g}" if same else f"{len(found)} values"
        raise UnsupportedError(
            f"the loss of one sample depends on another one: sample {names[place]} has "
            f"{float(expected[place]):.5g} in its batch and {got} without it; use batches of one "
            "sample, or a network that treats samples alone (a tensor of the batch that holds no "
            "samples may not be as long as the batch)"
        )


def _taps(weights: Sequence[Tensor], reads: Reads) -> Watch:
    def tap(weight: Tensor, inputs: Tensor) -> Tensor:
        own = inputs.detach()
        if inputs.requires_grad:
            tapped: Tensor = inputs.view_as(inputs)
        else:
            tapped = own.clone().requires_grad_(True)
        reads.append((weight, own, tapped))
        return tapped

    return Watch({id(w): w for w in weights}, lambda kind, use, run: run(), tap)
