"""Random networks: their sensitivities must equal autograd's, or be refused in one sentence.

    python -m tests.fuzz.networks --count 2000 --seed 0     # a run, with its breakdown
    python -m tests.fuzz.networks --seed 17 --count 1       # one network again
    python -m tests.fuzz.networks --seed 17 --count 1 --blocks 0,2 --batches 1   # a part of it

A network is a stem, some blocks (`network_blocks`), and a head with its loss, over a few batches in
some layout; all of it follows from the seed. Every outcome is one of

* ``right``: scores of every sample equal float64 autograd's, every weight with a gradient covered;
* ``refused, unfit``: a `BitknapError` for a network with a part that may be refused;
* ``no reference``: plain autograd fails too;
* ``refused, fit``: a `BitknapError` although every part is fit, which counts as a fault;
* a fault: wrong figures, weights left out, another exception, a network left changed.
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

import bitknap

from ..networks.reference import Fault, Truth, fold, gradients, reached
from .network_blocks import BLOCKS
from .network_heads import HEADS
from .network_parts import UNFIT, Network, Plan, assemble, describe

BITS = (2, 4, 8)


@dataclass(frozen=True)
class Outcome:
    """What became of a network: a kind, and the words of an error or of the first fault."""

    kind: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}" if self.words else self.kind

    @property
    def good(self) -> bool:
        return self.kind in ("right", "refused, unfit", "no reference")


def plan_of(seed: int) -> Plan:
    """The network that the seed stands for."""
    return describe(random.Random(seed), seed)


def outcome(plan: Plan) -> Outcome:
    """The table of the network against autograd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = assemble(plan)
        before = _state(network.model)
        quantizer = _quantizer(plan)
        table, refusal = None, ""
        try:
            table = _table(plan, network, quantizer)
        except bitknap.BitknapError as error:
            refusal = str(error)
        except Exception as error:
            return Outcome("traceback", _last_frames(error))
        if _state(network.model) != before:
            return Outcome("changed", "weights, buffers or flags are not as before")
        again = assemble(plan)
        found = _faults(table, again, quantizer, plan) if table is not None else []
    if refusal:
        return _refused(plan, refusal)
    if plan.unfit and all(fault.kind == "left out" for fault in found):
        found = []
    return Outcome(found[0].kind, found[0].words) if found else Outcome("right")


def _quantizer(plan: Plan) -> bitknap.Quantizer:
    return (
        bitknap.Quantizer() if "least squares" in plan.traits else bitknap.Quantizer(scale="minmax")
    )


def _table(plan: Plan, network: Network, quantizer: bitknap.Quantizer) -> bitknap.SensitivityTable:
    """The library's answer, in the way that the plan's traits say."""
    traits = set(plan.traits)
    extra = [name for name in ("loss", "diag_fisher") if f"metric {name}" in traits]
    context: Any = nullcontext()
    if "under no_grad" in traits:
        context = torch.no_grad()
    elif "under inference_mode" in traits:
        context = torch.inference_mode()
    from_generator = "batches from a generator" in traits
    with context:
        return bitknap.sensitivity_table(
            network.model,
            iter(network.batches) if from_generator else network.batches,
            metrics=("fisher", *extra),
            bits=BITS,
            quantizer=quantizer,
            forward=network.forward,
            loss_fn=network.loss_fn,
            chunk=1 if "chunks of 1" in traits else 2 if "chunks of 2" in traits else None,
        )


def _faults(
    table: bitknap.SensitivityTable, network: Network, quantizer: bitknap.Quantizer, plan: Plan
) -> list[Fault]:
    model = fold(network.model)
    for module in model.modules():
        if hasattr(module, "reentrant"):
            module.reentrant = False
    try:
        grads = gradients(model, network.batches, network.losses)
    except RuntimeError as error:
        return [Fault("no reference", f"plain autograd fails: {str(error)[:100]}")]
    tolerance = 2e-3 if "float32" in plan.traits else 1e-7
    truth = Truth(model, network.batches, network.losses, quantizer, tolerance, grads)
    found = truth.faults(table)
    if not found and plan.mixes:
        return [Fault("mixes samples", "accepted although samples depend on one another")]
    return found


def _refused(plan: Plan, words: str) -> Outcome:
    if not plan.unfit and all(_reached(plan)):
        return Outcome("refused, fit", words)
    return Outcome("refused, unfit", words)


def _reached(plan: Plan) -> Iterable[bool]:
    """Of every weight that the graph of a loss holds, whether any gradient is not zero."""
    network = assemble(plan)
    try:
        grads = gradients(fold(network.model), network.batches, network.losses)
    except RuntimeError:
        yield False
        return
    for rows in grads.values():
        yield all(row is None for row in rows) or reached(rows)


def _state(model: torch.nn.Module) -> list[object]:
    """Everything that a call must leave as it was, in a form that ``==`` compares."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    hooks = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())
    return [
        *((name, t.requires_grad, t.detach().numpy().tobytes()) for name, t in tensors),
        *((name, module.training, type(module)) for name, module in model.named_modules()),
        hooks,
    ]


def _last_frames(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "sensitivity" in f.filename] or frames
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__} in {own[-1].name}: {first[:140]}"


def smallest(plan: Plan) -> Plan:
    """The plan with all blocks and batches taken out that the fault does not need."""
    kind, shrunk = outcome(plan).kind, True
    while shrunk:
        shrunk = False
        for smaller in plan.smaller():
            if outcome(smaller).kind == kind:
                plan, shrunk = smaller, True
                break
    return plan


def run(seeds: Sequence[int], show: int = 20) -> int:
    """Try the seeds, print the breakdown, and return the number of faults."""
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    features: dict[str, Counter[str]] = {}
    bad = 0
    for number, seed in enumerate(seeds, 1):
        plan = plan_of(seed)
        result = outcome(plan)
        kinds[result.kind] += 1
        if result.kind.startswith("refused"):
            reasons[_reason(result.words)] += 1
        for feature in plan.features:
            features.setdefault(feature, Counter())[result.kind.split(",")[0]] += 1
        if not result.good:
            bad += 1
            if bad <= show:
                small = smallest(plan)
                print(f"seed {seed}: {result}\n    {small}\n    {outcome(small)}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{number} of {len(seeds)}, {bad} faults", end="", file=sys.stderr)
    _print_breakdown(kinds, reasons, features)
    return bad


def _reason(words: str) -> str:
    """A refusal without its names and figures, so that equal ones count together."""
    shown = " ".join("#" if any(c.isdigit() for c in word) else word for word in words.split())
    return shown[:110]


def _print_breakdown(
    kinds: Counter[str], reasons: Counter[str], features: dict[str, Counter[str]]
) -> None:
    total = sum(kinds.values())
    print(f"\n{total} networks")
    for kind, count in kinds.most_common():
        print(f"  {count:6} {100 * count / total:5.1f} %  {kind}")
    print("refusals")
    for reason, count in reasons.most_common(30):
        print(f"  {count:6}  {reason}")
    print("by feature: networks, right, refused, faults")
    rows = []
    for name, found in features.items():
        count, right, refused = found.total(), found["right"], found["refused"]
        rows.append((-refused / count, name, count, right, refused, count - right - refused))
    for share, name, count, right, refused, faulty in sorted(rows):
        mark = " (may be refused)" if _unfit(name) else ""
        print(
            f"  {count:5} {right:5} {refused:5} {faulty:5}  {abs(100 * share):3.0f} %  {name}{mark}"
        )


def _unfit(feature: str) -> bool:
    head = feature.removeprefix("head: ")
    return (
        (feature in BLOCKS and BLOCKS[feature].unfit)
        or feature in UNFIT
        or (head in HEADS and HEADS[head].unfit)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--blocks", help="keep these blocks alone, e.g. 0,2 (empty: none)")
    parser.add_argument("--batches", help="keep these batches alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.blocks is None and given.batches is None:
        sys.exit(bool(run(range(given.seed, given.seed + given.count))))
    plan = plan_of(given.seed)
    if given.blocks is not None:
        plan = replace(plan, blocks=_picked(plan.blocks, given.blocks))
    if given.batches is not None:
        plan = replace(plan, sizes=_picked(plan.sizes, given.batches))
    result = outcome(plan)
    print(f"{plan}\n    {result}")
    sys.exit(not result.good)


def _picked(items: tuple[Any, ...], numbers: str) -> tuple[Any, ...]:
    return tuple(items[int(number)] for number in numbers.split(",") if number)


if __name__ == "__main__":
    main()
