"""What a random network is made of besides its blocks: stem, head, loss, batches, layout."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network_blocks import BLOCKS, D, T

CLASSES, WORDS = 3, 11
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


class Size(NamedTuple):
    """Samples and tokens of a batch (ragged: the most rows per sample), and its seed."""

    samples: int
    tokens: int
    seed: int


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


# --- heads: what comes out, and the loss of it ---------------------------------------------------


@dataclass(frozen=True)
class Head:
    """The last layer, what it makes of (N, T, D), its labels and its loss.

    ``loss`` is what the reference takes; ``given`` is what the library is given, None for its
    default.
    """

    build: Callable[[], nn.Module]
    output: Callable[[Any, Tensor], Any]
    labels: Callable[[Size, torch.Generator], Any]
    loss: Callable[[Any, Any], Tensor]
    given: Any = "loss"
    unfit: bool = False
    tokens: bool = False


def classes(size: Size, g: torch.Generator) -> Tensor:
    return torch.randint(CLASSES, (size.samples,), generator=g)


def words(count: int) -> Callable[[Size, torch.Generator], Tensor]:
    """Labels of tokens, the first of each sample counted and some of the others -100."""

    def draw(size: Size, g: torch.Generator) -> Tensor:
        labels = torch.randint(count, (size.samples, size.tokens), generator=g)
        left_out = torch.rand(labels.shape, generator=g) < 0.3
        left_out[:, 0] = False
        return labels.masked_fill(left_out, -100)

    return draw


def floats(*shape: int) -> Callable[[Size, torch.Generator], Tensor]:
    return lambda size, g: torch.rand(size.samples, *shape, generator=g, dtype=torch.float64)


def ce(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output, y.long(), reduction="none")


def padded(output: Tensor, y: Tensor) -> Tensor:
    each = F.cross_entropy(output.transpose(1, 2), y, ignore_index=-100, reduction="none")
    return each.sum(1) / (y != -100).sum(1)


def squares(output: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(output, y.to(output.dtype), reduction="none").mean(1)


def pooled(head: Any, x: Tensor) -> Tensor:
    return head(x.mean(1))


def three() -> nn.Module:
    return nn.Linear(D, CLASSES)


def two() -> nn.Module:
    return nn.ModuleList([three(), three()])


HEADS: dict[str, Head] = {
    "classes, given loss": Head(three, pooled, classes, ce),
    "classes, default loss": Head(three, pooled, classes, ce, None),
    "classes, loss module": Head(
        three, pooled, classes, ce, nn.CrossEntropyLoss(reduction="none")
    ),
    "classes in a dict": Head(
        three, lambda h, x: {"logits": pooled(h, x), "x": x}, classes,
        lambda o, y: ce(o["logits"], y), None,
    ),
    "classes in a tuple": Head(
        three, lambda h, x: (pooled(h, x), x), classes, lambda o, y: ce(o[0], y), None
    ),
    "int32 labels": Head(three, pooled, lambda s, g: classes(s, g).int(), ce, None),
    "labels (N, 1)": Head(
        three, pooled, lambda s, g: classes(s, g)[:, None], lambda o, y: ce(o, y[:, 0]), None,
        unfit=True,
    ),
    "last token": Head(three, lambda h, x: h(x[:, -1]), classes, ce),
    "flattened": Head(lambda: nn.Linear(T * D, CLASSES), lambda h, x: h(x.flatten(1)), classes, ce,
                      tokens=True),
    "tokens, -100": Head(lambda: nn.Linear(D, 5), lambda h, x: h(x), words(5), padded,
                         tokens=True),
    "tokens, channels second, default loss": Head(
        lambda: nn.Linear(D, 7), lambda h, x: h(x).transpose(1, 2), words(7),
        lambda o, y: padded(o.transpose(1, 2), y), None, tokens=True,
    ),
    "tied to the stem": Head(
        lambda: nn.Linear(D, WORDS), lambda h, x: h(x), words(WORDS), padded, tokens=True
    ),
    "regression": Head(lambda: nn.Linear(D, 2), pooled, floats(2), squares),
    "regression, loss module": Head(
        lambda: nn.Linear(D, 2), pooled, floats(2), squares, nn.MSELoss(reduction="none")
    ),
    "regression, default loss": Head(
        lambda: nn.Linear(D, 2), pooled, floats(2), squares, None, unfit=True
    ),
    "several labels": Head(
        three, pooled, lambda s, g: (floats(3)(s, g) > 0.5).double(),
        lambda o, y: F.binary_cross_entropy_with_logits(o, y.to(o.dtype), reduction="none").sum(1),
    ),
    "two heads": Head(
        two, lambda h, x: tuple(pooled(one, x) for one in h), classes,
        lambda o, y: ce(o[0], y) + ce(o[1], y),
    ),
    "second head unused": Head(
        two, lambda h, x: [pooled(one, x) for one in h], classes, lambda o, y: ce(o[0], y),
        unfit=True,
    ),
    "classes in an object": Head(
        three, lambda h, x: SimpleNamespace(scores=pooled(h, x)), classes,
        lambda o, y: ce(o.scores, y),
    ),
    "early exits": Head(
        two, lambda h, x: {"early": h[0](x[:, 0]), "late": h[1](x.mean(1))}, classes,
        lambda o, y: ce(o["early"], y) / 3 + ce(o["late"], y),
    ),
    "bilinear": Head(
        lambda: nn.Bilinear(D, D, CLASSES), lambda h, x: h(x.mean(1), x[:, 0]), classes, ce
    ),
    "contrastive": Head(
        lambda: nn.Linear(D, D), pooled, classes,
        lambda o, y: ce(o @ o.flip(0).T, torch.arange(len(o))), unfit=True,
    ),
    "loss divided by the batch": Head(
        three, pooled, classes, lambda o, y: ce(o, y) / len(y), unfit=True
    ),
    "loss weighted by the batch's labels": Head(
        three, pooled, classes, lambda o, y: ce(o, y) / torch.bincount(y)[y], unfit=True
    ),
    "loss detached": Head(three, pooled, classes, lambda o, y: ce(o, y).detach(), unfit=True),
    "mean loss": Head(three, pooled, classes, ce, lambda o, b: ce(o, b[1]).mean(), unfit=True),
}  # fmt: skip


# --- data ------------------------------------------------------------------------------------


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
