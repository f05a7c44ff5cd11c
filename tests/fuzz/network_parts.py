"""Plans of random networks: how one is drawn, made smaller, and assembled."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network_blocks import BLOCKS, D, T
from .network_data import CONSTANT, CONSTANT_LENGTH, FLOAT_LAYOUTS, LAYOUTS, RAGGED, Layout, inputs
from .network_heads import HEADS, WORDS, Size

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda x: x,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": lambda x: F.silu(x.clone(), inplace=True),
}
MIXING = {"minus the batch's mean", "attention over the batch", "batch norm of the batch"}
"""Blocks whose samples depend on one another."""

STEMS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "floats": (5, nn.Identity),
    "tokens": (2, lambda: nn.Embedding(WORDS, D)),
    "images": (2, lambda: nn.Conv2d(2, D, 3, stride=3)),
    "ragged": (2, lambda: nn.Linear(D, D)),
}
"""What reads the inputs, and how often it is drawn."""

TRAITS = {
    "float32": 0.1,
    "least squares": 0.2,
    "metric loss": 0.1,
    "metric diag_fisher": 0.1,
    "chunks of 1": 0.08,
    "chunks of 2": 0.08,
    "batches from a generator": 0.1,
    "weights frozen": 0.1,
    "under no_grad": 0.05,
    "under inference_mode": 0.02,
    "model by closure": 0.02,
    "weight in the loss": 0.02,
    "an empty batch": 0.01,
}
"""What else a call may be like, and how often."""

UNFIT = {"under inference_mode", "model by closure", "weight in the loss", "an empty batch"}
"""Traits that may be refused."""


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
    layout: str = "tuple"
    traits: tuple[str, ...] = ()

    @property
    def unfit(self) -> bool:
        """Whether a part may be refused."""
        blocks = any(BLOCKS[step.block].unfit for step in self.blocks)
        as_long = any(size.samples == CONSTANT_LENGTH for size in self.sizes)
        return (
            blocks
            or HEADS[self.head].unfit
            or bool(UNFIT & set(self.traits))
            or (self.layout == CONSTANT and as_long)
        )

    @property
    def mixes(self) -> bool:
        """Whether the loss of a sample depends on another one, and taking it alone shows that."""
        several = any(size.samples > 1 for size in self.sizes) and layout_of(self).whole
        return several and (
            self.head == "contrastive" or any(step.block in MIXING for step in self.blocks)
        )

    @property
    def features(self) -> set[str]:
        """What the breakdown counts."""
        found = {step.block for step in self.blocks} | set(self.traits)
        found |= {f"stem: {self.stem}", f"head: {self.head}", f"batch: {self.layout}"}
        found |= {"first batch of one"} if self.sizes[0].samples == 1 else set()
        found |= {"varying length"} if len({size.tokens for size in self.sizes}) > 1 else set()
        return found | ({"several batches"} if len(self.sizes) > 1 else {"one batch"})

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
            yield replace(self, stem="floats", layout="tuple")
        if self.layout not in ("tuple", "ragged"):
            yield replace(self, layout="tuple")
        for trait in self.traits:
            yield replace(self, traits=tuple(other for other in self.traits if other != trait))


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
        self.stem = STEMS[plan.stem][1]()
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


def layout_of(plan: Plan) -> Layout:
    """How the plan's batches are made and read."""
    return RAGGED if plan.stem == "ragged" else {**LAYOUTS, **FLOAT_LAYOUTS}[plan.layout]


def assemble(plan: Plan) -> Network:
    """Build the network with its data, its forward and its loss."""
    kind = torch.float32 if "float32" in plan.traits else torch.float64
    model = Net(plan).to(kind).eval()
    if "weights frozen" in plan.traits:
        for parameter in model.blocks.parameters():
            parameter.requires_grad_(False)
    head, layout, batches = HEADS[plan.head], layout_of(plan), []
    for size in (*plan.sizes, *([Size(0, T, 0)] if "an empty batch" in plan.traits else [])):
        g = torch.Generator().manual_seed(size.seed)
        x = inputs(plan.stem, size, kind, g)
        batches.append(layout.make(x, head.labels(size, g)))
    closure, penalty = "model by closure" in plan.traits, "weight in the loss" in plan.traits

    def forward(net: nn.Module, batch: Any) -> Any:
        return (model if closure else net)(*layout.read(batch))

    def loss_fn(output: Any, batch: Any) -> Tensor:
        values = head.loss(output, layout.labels(batch))
        if penalty:
            values = values + sum(w.square().sum() for w in model.head.parameters())
        return values

    given = loss_fn if head.given == "loss" or penalty else head.given
    return Network(
        model,
        batches,
        None if layout.plain and not closure else forward,
        loss_fn if layout is RAGGED and not isinstance(given, FunctionType) else given,
        lambda net, batch: loss_fn(forward(net, batch), batch),
    )


def describe(r: random.Random, seed: int) -> Plan:
    """Draw a plan."""
    stem = r.choices(list(STEMS), [weight for weight, _ in STEMS.values()])[0]
    ragged, varying = stem == "ragged", stem in ("floats", "tokens") and r.random() < 0.25
    sizes = tuple(
        Size(
            r.choice([1, 1, 2, 3, 4, 5, 9, 13]),
            r.choice([2, 3, 4, 5]) if varying or ragged else T,
            r.randrange(10**6),
        )
        for _ in range(r.choice([1, 1, 2, 2, 3, 4]))
    )
    fixed = not ragged and not varying
    heads = [
        name
        for name, head in HEADS.items()
        if not ((head.tokens and ragged) or (name == "flattened" and varying))
        and (name != "tied to the stem" or stem == "tokens")
        and (not head.unfit or r.random() < 0.15)
    ]
    names = [n for n, b in BLOCKS.items() if not b.unfit and (fixed or not b.fixed)]
    blocks = r.choices(names, k=r.choice([1, 1, 2, 2, 3, 4, 5]))
    if r.random() < 0.12:
        unfit = [n for n, b in BLOCKS.items() if b.unfit]
        blocks.insert(r.randrange(len(blocks) + 1), r.choice(unfit))
    layouts = {**LAYOUTS, **(FLOAT_LAYOUTS if stem == "floats" else {})}
    layout = r.choices(list(layouts), [one.weight for one in layouts.values()])[0]
    plan = Plan(
        seed,
        stem,
        tuple(
            Step(name, r.randrange(10**6), r.random() < 0.5, r.choice(list(ACTIVATIONS)))
            for name in blocks
        ),
        r.choice(heads),
        sizes,
        "ragged" if ragged else layout,
    )
    traits = [name for name, share in TRAITS.items() if r.random() < share]
    if not layout_of(plan).whole:
        traits = [name for name in traits if not name.startswith("chunks")]
    return replace(plan, traits=tuple(traits))
