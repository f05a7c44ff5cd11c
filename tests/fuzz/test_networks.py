"""Random networks have right sensitivities or a clear no: the small part of `networks`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ..networks.reference import fold, gradients
from .network_blocks import BLOCKS, T
from .network_heads import HEADS, Size
from .network_parts import MIXING, Plan, Step, assemble
from .networks import outcome, plan_of

SEEDS = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_network_is_right_or_refused(seed: int) -> None:
    """A failure is shown, made small, by `python -m tests.fuzz.networks --count 1 --seed ...`."""
    result = outcome(plan_of(seed))
    assert result.good, result


def _plan(stem: str, blocks: str, head: str, size: Size, layout: str, *traits: str) -> Plan:
    steps = tuple(Step(name, 605040, False, "silu") for name in blocks.split(" + ") if name)
    return Plan(40195, stem, steps, head, (size,), layout, traits)


ONCE_WRONG = {
    "four of five samples stand in order": _plan(
        "floats", "linear, batch sorted", "classes, given loss", Size(5, 3, 943742), "tuple"
    ),
    "a row with a small gradient belongs to the next sample": _plan(
        "ragged", "FiLM", "classes, given loss", Size(5, 4, 549763), "ragged", "float32"
    ),
    "the first and last label differ, the others do not": _plan(
        "floats",
        "",
        "loss weighted by the batch's labels",
        Size(3, 4, 55520),
        "tuple",
        "chunks of 1",
    ),
    "weights change before the loss is refused": _plan(
        "floats", "weight clamped", "mean loss", Size(4, 2, 914311), "tuple"
    ),
    "weights change that a copy stands in for": _plan(
        "floats",
        "spectral norm, old + weight clamped",
        "classes, given loss",
        Size(2, 2, 808695),
        "tuple",
        "model by closure",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ONCE_WRONG)
def test_bug_found_by_the_fuzzer(name: str) -> None:
    result = outcome(ONCE_WRONG[name])
    assert result.good, result


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, block in BLOCKS.items() if not block.unfit])
def test_samples_of_a_fit_block_stand_alone_and_reach_its_weights(name: str) -> None:
    """The fuzzer's own claim, on which its verdicts rest."""
    count = 6
    step = Step(name, 8, True, "tanh")
    plan = Plan(3, "floats", (step,), "classes, given loss", (Size(count, T, 1),))
    network = assemble(plan)
    fold(network.model)
    ((x, y),) = network.batches
    ones = [(x[n : n + 1], y[n : n + 1]) for n in range(2)]
    whole = gradients(network.model, network.batches, network.losses)
    alone = gradients(network.model, ones, network.losses)
    for weight, rows in whole.items():
        zero = torch.zeros_like(network.model.get_parameter(weight))
        one, other = (
            torch.stack([zero if row is None else row for row in found])
            for found in (rows, alone[weight])
        )
        assert torch.allclose(one[:2], other, rtol=1e-9, atol=1e-12), weight
        assert bool(one.any()) != ("never" in weight), weight


@pytest.mark.parametrize("name", sorted(MIXING))
def test_samples_of_a_mixing_block_do_not(name: str) -> None:
    step = Step(name, 8, True, "tanh")
    plan = Plan(3, "floats", (step,), "classes, given loss", (Size(3, T, 1),))
    alone = replace(plan, sizes=(Size(1, T, 1),))
    assert plan.mixes
    assert not alone.mixes
    assert BLOCKS[name].unfit


def test_every_head_runs() -> None:
    for name, head in HEADS.items():
        stem = "tokens" if name == "tied to the stem" else "floats"
        network = assemble(Plan(3, stem, (), name, (Size(2, T, 1),)))
        losses = network.losses(network.model, network.batches[0])
        assert losses.shape == (2,), name
        assert head.unfit or losses.requires_grad
