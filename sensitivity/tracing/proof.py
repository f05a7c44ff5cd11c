"""Where the fast path to scores may be used: where it is shown to equal autograd.

The fast path assumes that a layer's rows are the samples in order, and that every use of its weight
is seen. Both are tested for each new layout of a batch, by a test that cannot pass by chance. With
random numbers r_n and the gradient G = sum_n r_n grad_W loss_n by autograd, scores s_n of the
perturbation dW = U * G, U random and positive, must give

    sum_n r_n s_n = ⟨G, dW⟩ = sum_k U_k G_k^2,

a sum without cancellation. Scores of other samples, weights seen in part, or gradients that the
calls hide give another number. The first of the samples tested stands at their end once more (two
are swapped), so that a layer that sorts its batch moves some of them; and outputs of a whole batch
must turn round where it does. Where a whole batch is tested, samples in even and in odd places come
apart: no row of the others may score, however little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from bitknap.problems.errors import BitknapError

from .batches import Batch, take
from .capture import Run, Watch, backward_through
from .gradients import (
    cuts,
    differentiable,
    equal_within_rounding,
    gradients,
    one_each,
    refuse_other_values,
)
from .kinds.base import LayerKind, Use
from .tracer import BatchTrace, digest

TESTED = 4
"""Most samples that are tested of a batch that can be cut, the repeated one counted."""

WHOLE = 8
"""Most samples of a batch that is tested whole as well."""

SPOT = 3
"""Samples that are tested of a batch laid out like one that was tested."""

SPOTS = 3
"""Most batches that are tested so."""


class TestedNetwork(Protocol):
    """What is run: a traced network on its data."""

    @property
    def batches(self) -> Sequence[Batch]:
        """All of the data."""

    @property
    def traces(self) -> Sequence[BatchTrace]:
        """What each batch showed."""

    @property
    def bits(self) -> Sequence[object]:
        """Choices, as many as perturbations of a weight at once."""

    @property
    def seed(self) -> int:
        """Of the random numbers."""

    def losses(self, batch: Batch) -> Tensor:
        """(N,) losses of a batch."""


def provable(weights: Sequence[Tensor], network: TestedNetwork) -> set[int]:
    """Ids of the weights whose scores the fast path gives, on all batches.

    Raises:
        UnsupportedError: the loss of a sample depends on another one, or has no derivative.
    """
    left: Sequence[Tensor] = [w for w in weights if _is_candidate(id(w), network.traces)]
    for batch, trace, most in _chosen([id(w) for w in left], network):
        left = _passing(left, network, batch, trace, most)
    return {id(w) for w in left}


def _passing(
    weights: Sequence[Tensor], network: TestedNetwork, batch: Batch, trace: BatchTrace, most: int
) -> Sequence[Tensor]:
    """The weights that pass the tests of a batch: of some samples, of all where few or uncut."""
    generator = torch.Generator().manual_seed(network.seed)
    small = trace.samples <= WHOLE
    cut = trace.samples > 1 and cuts(batch, trace.samples, network.losses)
    if cut:
        count = min(most, trace.samples) - 1
        drawn = sorted(torch.randperm(trace.samples, generator=generator)[:count].tolist())
        rows = [*drawn, drawn[0]] if count > 1 else [1, 0]
        some = _ProbeTest(network, take(batch, rows), trace.eps, generator)
        try:
            found = one_each(some.by_autograd(weights), len(rows))
        except BitknapError:
            # A piece that fails alone belongs to a batch that only seems to be cut.
            cut = False
        else:
            if small:
                _refuse_mixed(network, batch, trace)
            else:
                refuse_other_values(found, trace.losses, rows, trace.eps)
                if most == TESTED:
                    weights = _turning(weights, network, batch, trace)
            wanted = trace.losses[rows]
            if bool(equal_within_rounding(found, wanted, trace.losses, trace.eps).all()):
                weights = some.passing(weights, trace)
    if small or not cut:
        whole = _ProbeTest(network, batch, trace.eps, generator, apart=True)
        found = whole.by_autograd(weights)
        refuse_other_values(found, trace.losses, range(trace.samples), trace.eps)
        weights = whole.passing(weights, trace)
    return weights


def _turning(
    weights: Sequence[Tensor], network: TestedNetwork, batch: Batch, trace: BatchTrace
) -> Sequence[Tensor]:
    """The weights whose outputs come in reverse order where the batch does."""
    outputs: dict[int, list[Tensor]] = {id(w): [] for w in weights}

    def note(_kind: LayerKind, use: Use, run: Run) -> Tensor:
        output = run()
        outputs[id(use.weight)].append(digest(output))
        return output

    with torch.no_grad(), Watch({id(w): w for w in weights}, note):
        network.losses(take(batch, range(trace.samples)[::-1]))

    def turns(key: int) -> bool:
        before, after = [seen.digest for seen in trace.uses.get(key, ())], outputs[key]
        if len(before) != len(after):
            return False
        for one, other in zip(before, after, strict=True):
            if one is None or len(one) != len(other) or len(one) % trace.samples:
                return False
            turned = one.reshape(trace.samples, len(one) // trace.samples).flip(0).flatten()
            if not bool(equal_within_rounding(other, turned, one, trace.eps).all()):
                return False
        return True

    return [w for w in weights if turns(id(w))]


def _refuse_mixed(network: TestedNetwork, batch: Batch, trace: BatchTrace) -> None:
    """Refuse a network in which the last sample has another loss alone, where it runs alone."""
    last = [trace.samples - 1]
    try:
        with torch.no_grad():
            alone = one_each(network.losses(take(batch, last)), 1)
    except BitknapError:
        return
    refuse_other_values(alone, trace.losses, last, trace.eps)


def provable_alone(weights: Sequence[Tensor], network: TestedNetwork) -> set[int]:
    """Ids of the weights whose scores the calls that are seen give for one sample at a time."""
    left = list(weights)
    for batch, trace in list(zip(network.batches, network.traces, strict=True))[:SPOTS]:
        if not left or (trace.samples > 1 and not cuts(batch, trace.samples, network.losses)):
            return set()
        piece = take(batch, [0]) if trace.samples > 1 else batch
        generator = torch.Generator().manual_seed(network.seed)
        test = _ProbeTest(network, piece, trace.eps, generator)
        test.by_autograd(left)
        left = test.passing(left)
    return {id(w) for w in left}


def _is_candidate(key: int, traces: Sequence[BatchTrace]) -> bool:
    """Whether some batch uses a weight, and each use of it has a number of rows for each sample."""
    uses = [(seen.rows, trace.samples) for trace in traces for seen in trace.uses.get(key, ())]
    return bool(uses) and all(rows is not None and rows % n == 0 for rows, n in uses)


def _chosen(keys: Sequence[int], network: TestedNetwork) -> Iterator[tuple[Batch, BatchTrace, int]]:
    """Batches to test, with the samples: each new layout, and spots of the others."""
    known: set[object] = set()
    spots = 0
    for batch, trace in zip(network.batches, network.traces, strict=True):
        signature = trace.signature(keys)
        if signature not in known:
            known.add(signature)
            yield batch, trace, TESTED
        elif spots < SPOTS:
            spots += 1
            yield batch, trace, SPOT


def _in_proportion(rows: Sequence[int], some: int, key: int, trace: BatchTrace) -> bool:
    """Whether some samples have their share of the rows that all have, in every use with any."""
    whole = sorted(seen.rows or 0 for seen in trace.uses.get(key, ()) if seen.rows)
    counts = sorted(count for count in rows if count)
    return [trace.samples * count for count in counts] == [some * count for count in whole]


class _ProbeTest:
    """Scores of a piece of data by autograd and by the calls that are seen.

    Args:
        network: what is run.
        piece: some samples.
        eps: the machine epsilon of the coarsest type that anything is computed in.
        generator: of the random numbers.
        apart: differentiate the losses of every other sample at a time.
    """

    def __init__(
        self,
        network: TestedNetwork,
        piece: Batch,
        eps: float,
        generator: torch.Generator,
        *,
        apart: bool = False,
    ) -> None:
        self._network, self._piece, self._eps = network, piece, eps
        self._generator, self._apart = generator, apart
        self._slopes: dict[int, Tensor | None] = {}
        self._factors = torch.ones(1)

    def by_autograd(self, weights: Sequence[Tensor]) -> Tensor:
        """(n,) losses; keeps r and the gradients of sum_n r_n loss_n by each weight."""
        draw = self._generator
        with differentiable(weights):
            losses = self._network.losses(self._piece)
            factors = torch.rand(len(losses), generator=draw, dtype=torch.float64) + 0.5
            factors *= torch.randint(2, (len(losses),), generator=draw) * 2 - 1
            self._factors = factors.to(losses.device)
            summed = (losses * self._factors.to(losses.dtype)).sum()
            found = gradients(summed, weights)
        self._slopes = {id(w): g for w, g in zip(weights, found, strict=True)}
        return losses.detach()

    def passing(self, weights: Sequence[Tensor], trace: BatchTrace | None = None) -> list[Tensor]:
        """The weights with equal scores either way.

        Args:
            trace: of a batch, of whose rows the piece's uses must read their share.
        """
        moves = {id(w): self._move(w) for w in weights}
        sums = dict.fromkeys(moves, 0.0)
        rows: dict[int, list[int]] = {}
        choices = len(self._network.bits)
        count = len(self._factors)
        others = torch.zeros(count, dtype=torch.bool)

        def consume(use: Use, grad: Tensor, samples: int) -> None:
            key = id(use.weight)
            rows[key].append(use.rows)
            if use.rows % samples:
                sums[key] = math.nan
                return
            several = perturbations(choices, moves[key])
            several[:] = moves[key]
            scores = use.scores(grad, several, samples).double()
            if bool(scores[others].any()):
                sums[key] = math.nan
            sums[key] += float((scores * self._factors[:, None]).sum(dim=0).mean())

        if not weights:
            return []
        parts = (
            [slice(None)]
            if not self._apart or count == 1
            else [slice(0, None, 2), slice(1, None, 2)]
        )
        by_id = {id(w): w for w in weights}
        try:
            for part in parts:
                others[:] = True
                others[part] = False
                rows = {key: [] for key in moves}
                backward_through(
                    partial(self._network.losses, self._piece), by_id, consume, only=part
                )
        except (BitknapError, RuntimeError, AssertionError, IndexError):
            # A layer that the fast path cannot see, or that breaks it, takes the general path.
            return []
        return [
            w
            for w in weights
            if self._is_close(w, moves[id(w)], sums[id(w)])
            and (trace is None or _in_proportion(rows[id(w)], count, id(w), trace))
        ]

    def _move(self, weight: Tensor) -> Tensor:
        """U * G, scaled to 1; U where there is no gradient."""
        slope = self._slopes[id(weight)]
        kind = torch.promote_types(weight.dtype, torch.float32)
        spread = torch.rand(weight.shape, generator=self._generator).to(weight.device, kind) + 0.5
        if slope is None or not bool(slope.any()):
            return spread
        return spread * (slope.to(kind) / slope.to(kind).abs().max())

    def _is_close(self, weight: Tensor, move: Tensor, total: float) -> bool:
        slope = self._slopes[id(weight)]
        wanted = 0.0 if slope is None else float((move * slope.to(move.dtype)).double().sum())
        relative = 2 * math.sqrt(max(self._eps, torch.finfo(weight.dtype).eps))
        # Values beyond the precision of the gradient's type are lost in it.
        held = torch.finfo(weight.dtype if slope is None else slope.dtype)
        slack = 4 * held.smallest_normal * held.eps * float(move.abs().double().sum())
        return abs(total - wanted) <= relative * abs(wanted) + slack


def perturbations(choices: int, weight: Tensor) -> Tensor:
    """Room for (J, *weight.shape) perturbations, the weight's input channels innermost."""
    if weight.dim() < 3:
        return weight.new_empty(choices, *weight.shape)
    out, into, *kernel = weight.shape
    return weight.new_empty(choices, out, *kernel, into).movedim(-1, 2)
