"""What a random network is made of besides its blocks: stem, head, loss, batches, layout."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network_blocks import BLOCKS, D, T
from .network_heads import HEADS, WORDS, Size

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda x: x,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": lambda x: F.silu(x.clone(), inplace=True),
}
METRICS = [("fisher",), ("fisher", "loss"), ("fisher", "diag_fisher")]
MIXING = {"minus the batch's mean", "attention over the batch", "batch norm of the batch"}
STEMS = {"floats": 5, "tokens": 2, "images": 2, "ragged": 2}
CONTAINERS = {
    "tuple": 3,
    "list": 2,
    "named tuple": 2,
    "dict": 2,
    "dict, forward given": 2,
    "forward given": 2,
    "dict with names, forward given": 1,
}


class Step(NamedTuple):
    """A block and what surrounds it."""

    block: str
    seed: int
    residual: bool
    activation: str


@dataclass(frozen=True)
class Plan:
    """A network, its data and loss, from which `assemble` always makes the same."""

    seed: int
    stem: str
    blocks: tuple[Step, ...]
    head: str
    sizes: tuple[Size, ...]
    container: str = "tuple"
    double: bool = True
    scale: str = "minmax"
    closure: bool = False
    metrics: tuple[str, ...] = ("fisher",)
    chunk: int | None = None

    @property
    def unfit(self) -> bool:
        """Whether a part may be refused."""
        return (
            any(BLOCKS[step.block].unfit for step in self.blocks)
            or HEADS[self.head].unfit
            or self.closure
            or any(size.samples == 0 for size in self.sizes)
        )

    @property
    def mixes(self) -> bool:
        """Whether the loss of a sample depends on another one."""
        several = any(size.samples > 1 for size in self.sizes)
        return several and (
            self.head == "contrastive" or any(step.block in MIXING for step in self.blocks)
        )

    @property
    def features(self) -> set[str]:
        """What the breakdown counts."""
        found = {step.block for step in self.blocks}
        found |= {f"stem: {self.stem}", f"head: {self.head}", f"batch: {self.container}"}
        found |= {"first batch of one"} if self.sizes[0].samples == 1 else set()
        found |= {"varying length"} if len({size.tokens for size in self.sizes}) > 1 else set()
        found |= {"an empty batch"} if any(size.samples == 0 for size in self.sizes) else set()
        found |= {"several batches"} if len(self.sizes) > 1 else {"one batch"}
        found |= set() if self.double else {"float32"}
        found |= {"model by closure"} if self.closure else set()
        found |= {"chunks"} if self.chunk else set()
        found |= {f"metric: {metric}" for metric in self.metrics}
        return found | {f"scale: {self.scale}"}

    def smaller(self) -> Iterator[Plan]:
        """Plans with something left out, or something plain in its place."""
        for i in range(len(self.blocks)):
            yield replace(self, blocks=self.blocks[:i] + self.blocks[i + 1 :])
        if len(self.sizes) > 1:
            for i in range(len(self.sizes)):
                yield replace(self, sizes=self.sizes[:i] + self.sizes[i + 1 :])
        if self.head != "classes, given loss":
            yield replace(self, head="classes, given loss")
        if self.stem != "floats" and self.head != "tied to the stem":
            yield replace(self, stem="floats", container="tuple")
        if self.container != "tuple":
            yield replace(self, container="tuple")
        if self.closure:
            yield replace(self, closure=False)
        if self.chunk:
            yield replace(self, chunk=None)
        if len(self.metrics) > 1:
            yield replace(self, metrics=self.metrics[:1])


@dataclass(frozen=True)
class Network:
    """What the library is given, and the same as the reference sees it."""

    model: nn.Module
    batches: list[Any]
    forward: Callable[[nn.Module, Any], Any] | None
    loss_fn: Callable[[Any, Any], Tensor] | None
    losses: Callable[[nn.Module, Any], Tensor]


class Net(nn.Module):
    """Stem, blocks, head."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        torch.manual_seed(plan.seed)
        self.stem = STEM[plan.stem]()
        self.head = HEADS[plan.head].build()
        if plan.head == "tied to the stem":
            self.head.weight = self.stem.weight
        self.steps, self.output = plan.blocks, HEADS[plan.head].output
        self.image = plan.stem == "images"
        blocks = []
        for step in plan.blocks:
            torch.manual_seed(step.seed)
            blocks.append(BLOCKS[step.block].build(random.Random(step.seed)))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, index: Tensor | None = None, labels: Any = None) -> Any:
        x = self.stem(x)
        x = x.flatten(2).transpose(1, 2) if self.image else x
        x = x[:, None] if index is not None else x
        for step, block in zip(self.steps, self.blocks, strict=True):
            y = ACTIVATIONS[step.activation](block(x))
            x = x + y / 2 if step.residual else y
        if index is not None:
            count = int(index.max()) + 1 if len(index) else 0
            x = x.new_zeros(count, 1, D).index_add(0, index, x)
        return self.output(self.head, x)


STEM: dict[str, Callable[[], nn.Module]] = {
    "floats": nn.Identity,
    "tokens": lambda: nn.Embedding(WORDS, D),
    "images": lambda: nn.Conv2d(2, D, 3, stride=3),
    "ragged": lambda: nn.Linear(D, D),
}


class Pair(NamedTuple):
    """A batch as a named tuple."""

    x: Tensor
    y: Any


def inputs(plan: Plan, size: Size, g: torch.Generator) -> tuple[Tensor, ...]:
    """The inputs of a batch; ragged: all rows, and the sample that each belongs to."""
    kind = torch.float64 if plan.double else torch.float32
    if plan.stem == "tokens":
        return (torch.randint(WORDS, (size.samples, size.tokens), generator=g),)
    if plan.stem == "images":
        return (torch.randn(size.samples, 2, 6, 6, generator=g, dtype=kind),)
    if plan.stem == "ragged":
        rows = torch.randint(1, size.tokens + 1, (size.samples,), generator=g)
        index = torch.repeat_interleave(torch.arange(size.samples), rows)
        return torch.randn(len(index), D, generator=g, dtype=kind), index
    return (torch.randn(size.samples, size.tokens, D, generator=g, dtype=kind),)


def assemble(plan: Plan) -> Network:
    """Build the network with its data, its forward and its loss."""
    model = Net(plan).eval()
    model = model.double() if plan.double else model
    head, batches = HEADS[plan.head], []
    for size in plan.sizes:
        g = torch.Generator().manual_seed(size.seed)
        x, y = inputs(plan, size, g), head.labels(size, g)
        if plan.stem == "ragged":
            batches.append((*x, y))
        elif plan.container.startswith("dict"):
            batches.append({"x": x[0], "labels": y})
            if "names" in plan.container:
                batches[-1]["names"] = [f"sample {n}" for n in range(size.samples)]
        else:
            make = {"list": lambda *both: list(both), "named tuple": Pair}.get(plan.container)
            batches.append(make(x[0], y) if make else (x[0], y))
    mapping = plan.stem != "ragged" and plan.container.startswith("dict")

    def forward(net: nn.Module, batch: Any) -> Any:
        if plan.closure:
            net = model
        return net(batch["x"]) if mapping else net(*batch[:-1])

    def loss_fn(output: Any, batch: Any) -> Tensor:
        return head.loss(output, batch["labels"] if mapping else batch[-1])

    plain = plan.stem != "ragged" and "given" not in plan.container and not plan.closure
    given = loss_fn if head.given == "loss" else head.given
    return Network(
        model,
        batches,
        None if plain else forward,
        loss_fn if plan.stem == "ragged" and head.given is None else given,
        lambda net, batch: loss_fn(forward(net, batch), batch),
    )


def describe(r: random.Random, seed: int) -> Plan:
    """Draw a plan."""
    stem = r.choices(list(STEMS), list(STEMS.values()))[0]
    varying = stem in ("floats", "tokens") and r.random() < 0.25
    count, whole = r.choice([1, 1, 2, 2, 3, 4]), stem in ("floats", "tokens", "images")
    sizes = tuple(
        Size(
            r.choice([1, 1, 2, 3, 4, 5]),
            r.choice([2, 3, 4, 5]) if varying or not whole else T,
            r.randrange(10**6),
        )
        for _ in range(count)
    )
    if r.random() < 0.01:
        sizes = (*sizes, Size(0, T, 0))
    fixed = whole and not varying
    heads = [
        name
        for name, head in HEADS.items()
        if (not head.tokens or (whole and (fixed or name != "flattened")))
        and (name != "tied to the stem" or stem == "tokens")
        and (not head.unfit or r.random() < 0.15)
    ]
    names = [n for n, b in BLOCKS.items() if not b.unfit and (fixed or not b.fixed)]
    blocks = r.choices(names, k=r.choice([1, 1, 2, 2, 3, 4, 5]))
    if r.random() < 0.12:
        unfit = [n for n, b in BLOCKS.items() if b.unfit]
        blocks.insert(r.randrange(len(blocks) + 1), r.choice(unfit))
    return Plan(
        seed,
        stem,
        tuple(
            Step(name, r.randrange(10**6), r.random() < 0.5, r.choice(list(ACTIVATIONS)))
            for name in blocks
        ),
        r.choice(heads),
        sizes,
        r.choices(list(CONTAINERS), list(CONTAINERS.values()))[0],
        double=r.random() < 0.9,
        scale="minmax" if r.random() < 0.8 else "least_squares",
        closure=r.random() < 0.02,
        metrics=r.choices(METRICS, [8, 1, 1])[0],
        chunk=r.choices([None, 1, 2], [8, 1, 1])[0],
    )
