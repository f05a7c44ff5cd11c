"""Experts, exits, graphs and sets: which weights act, and on what, depends on the data."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, ce, floats, images, labels


class Experts(nn.Module):
    """Each token through its two best experts, modules that run on their own tokens alone."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.out = nn.Linear(6, 4), nn.Linear(6, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)
        share, chosen = self.gate(flat).softmax(-1).topk(2)
        out = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            rows, rank = (chosen == i).nonzero(as_tuple=True)
            if len(rows):
                out = out.index_add(0, rows, expert(flat[rows]) * share[rows, rank, None])
        return self.out((flat + out).view_as(x).mean(1))


class ExpertsParameter(nn.Module):
    """The experts' weights in one parameter of three dimensions, picked by index."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.out = nn.Linear(6, 4), nn.Linear(6, 3)
        self.up = nn.Parameter(torch.randn(4, 6, 8) / 3)
        self.down = nn.Parameter(torch.randn(4, 8, 6) / 3)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)
        share, chosen = self.gate(flat).softmax(-1).max(-1)
        out = torch.zeros_like(flat)
        for i in range(4):
            rows = (chosen == i).nonzero()[:, 0]
            out[rows] = F.gelu(flat[rows] @ self.up[i]) @ self.down[i] * share[rows, None]
        return self.out((flat + out).view_as(x).mean(1))


class SoftExperts(nn.Module):
    """Soft routing: every expert reads a mixture of tokens (Puigcerver et al. 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.randn(6, 3) / 2)
        self.experts = nn.Parameter(torch.randn(3, 6, 6) / 3)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores = x @ self.slots
        mixed = torch.einsum("nte,ntd->end", scores.softmax(1), x)
        made = torch.baddbmm(mixed, mixed.tanh(), self.experts)
        return self.out(torch.einsum("nte,end->ntd", scores.softmax(2), made).mean(1))


class Exits(nn.Module):
    """Each sample leaves at the first exit that is sure of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.early, self.late = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).tanh()
        early = self.early(x)
        stay = (early.softmax(-1).amax(-1) < 0.45).nonzero()[:, 0]
        return early.index_copy(0, stay, self.late(self.second(x[stay]).tanh()))


class AllExits(Exits):
    """Every exit's answer, as in BranchyNet."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x).tanh()
        return self.early(x), self.late(self.second(x).tanh())


class Halting(nn.Module):
    """One step repeated as often as a sample asks for (adaptive computation time)."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.halt, self.out = nn.GRUCell(8, 8), nn.Linear(8, 1), nn.Linear(8, 3)

    def one(self, x: Tensor) -> Tensor:
        h, left = x, x.new_ones(())
        total = torch.zeros_like(x)
        for _ in range(4):
            h = self.step(x[None], h[None])[0]
            p = self.halt(h).sigmoid()[0]
            total, left = total + left * p * h, left * (1 - p)
            if float(left) < 0.3:
                break
        return self.out(total + left * h)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.one(row) for row in x])


class Tree(nn.Module):
    """A recursive network: one cell, along a tree that the data make."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.Linear(12, 6), nn.Linear(6, 3)

    def fold(self, rows: Tensor) -> Tensor:
        if len(rows) == 1:
            return rows[0]
        cut = 1 + int(rows[1:, 0].argmax())
        return self.cell(torch.cat([self.fold(rows[:cut]), self.fold(rows[cut:])])).tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.stack([self.fold(rows) for rows in x]))


class Graph(nn.Module):
    """Graph convolutions on all nodes of a batch of graphs at once (GIN, Xu et al. 2019)."""

    def __init__(self, attention: bool = False) -> None:
        super().__init__()
        self.attention = attention
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 8)
        self.score, self.out = nn.Linear(16, 1), nn.Linear(8, 3)
        if not attention:
            del self.score

    def pass_on(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        if not self.attention:
            return x.index_add(0, target, x[source])
        weight = F.leaky_relu(self.score(torch.cat([x[source], x[target]], -1)), 0.2).exp()
        total = torch.ones_like(x[:, :1]).index_add(0, target, weight)
        return x.index_add(0, target, x[source] * weight) / total

    def forward(self, x: Tensor, edges: Tensor, graph: Tensor, count: int) -> Tensor:
        x = self.pass_on(self.a(x), edges).tanh()
        x = self.pass_on(self.b(x), edges).tanh()
        return self.out(x.new_zeros(count, 8).index_add(0, graph, x))


class Dense(nn.Module):
    """Graph convolution with a dense adjacency matrix, ``A X W`` with a raw weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(6, 8) / 2), nn.Parameter(torch.randn(8, 3) / 2)

    def forward(self, x: Tensor) -> Tensor:
        near = (x @ x.mT).softmax(-1)
        return (near @ (near @ x @ self.a).tanh() @ self.b).mean(1)


class Points(nn.Module):
    """A shared network on points, the maximum over them, a learned turn (PointNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 9))
        self.points = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.Tanh())
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x @ self.turn(x.mean(1)).view(-1, 3, 3)
        return self.out(self.points(x.mT).amax(2))


class Regions(nn.Module):
    """A head on regions, as many per image as there are: rows that are not samples."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(16, 3)

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        maps = self.features(x).tanh()
        crops = [maps[i, :, r : r + 2, c : c + 2].flatten() for i, r, c in boxes.tolist()]
        return self.head(torch.stack(crops))


class Sets(nn.Module):
    """Pairs of the elements of a set (relation network)."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 8))
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        a, b = x[:, :, None].expand(n, t, t, 6), x[:, None].expand(n, t, t, 6)
        pairs = self.pair(torch.cat([a, b], -1).view(n * t * t, 12))
        return self.out(pairs.view(n, t * t, 8).mean(1))


def graphs() -> list[Any]:
    """(nodes, edges, graph of each node, labels), in the second batch 3, 4 and 5 nodes."""
    batches = []
    for sizes in ((4,), (3, 4, 5)):
        graph = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        starts = torch.tensor(sizes).cumsum(0) - torch.tensor(sizes)
        edges = torch.cat(
            [s + torch.randint(k, (2, 2 * k)) for s, k in zip(starts, sizes, strict=True)], 1
        )
        x = torch.randn(len(graph), 4, dtype=torch.float64)
        batches.append((x, edges, graph, torch.randint(3, (len(sizes),))))
    return batches


def regions() -> list[Any]:
    batches = []
    for of in ((0, 0), (0, 1, 1, 2, 2, 2)):
        image = torch.tensor(of)
        corners = torch.randint(4, (len(of), 2))
        x = torch.randn(int(image.max()) + 1, 3, 6, 6, dtype=torch.float64)
        batches.append((x, torch.cat([image[:, None], corners], 1), torch.randint(3, (len(of),))))
    return batches


def run_graphs(model: nn.Module, batch: Any) -> Tensor:
    return model(*batch[:3], len(batch[3]))


def run_regions(model: nn.Module, batch: Any) -> Tensor:
    return model(batch[0], batch[1])


def over_regions(output: Tensor, batch: Any) -> Tensor:
    """The mean of each image's regions."""
    each, image = F.cross_entropy(output, batch[2], reduction="none"), batch[1][:, 0]
    total = each.new_zeros(len(batch[0])).index_add(0, image, each)
    return total / torch.bincount(image)


def both_exits(output: Any, batch: Any) -> Tensor:
    return sum(F.cross_entropy(one, labels(batch), reduction="none") for one in output)


SEVERAL = floats(4, 6, sizes=(1, 5))
CASES = [
    Case("experts, modules, two per token", Experts, floats(4, 6, sizes=(1, 1, 5)), ce),
    Case("experts, one parameter", ExpertsParameter, SEVERAL, ce),
    Case("soft experts", SoftExperts, SEVERAL, ce),
    Case("early exit per sample", Exits, floats(8, sizes=(1, 8)), ce),
    Case("all exits", AllExits, floats(8), both_exits),
    Case("adaptive computation time", Halting, floats(8, sizes=(1, 5)), ce),
    Case("recursive network", Tree, floats(5, 6), ce),
    Case("graphs", Graph, graphs, ce, run_graphs),
    Case("graph attention", lambda: Graph(attention=True), graphs, ce, run_graphs),
    Case("dense graph convolution", Dense, floats(5, 6), ce),
    Case("PointNet", Points, floats(6, 3), ce),
    Case("regions of images", Regions, regions, over_regions, run_regions),
    Case("relation network", Sets, floats(3, 6), ce),
    Case("experts of patches", lambda: nn.Sequential(
        nn.Conv2d(3, 6, 4, stride=4), nn.Flatten(2), Transposed(), Experts()
    ), images(8, sizes=(1, 5)), ce),
]  # fmt: skip


class Transposed(nn.Module):
    """(N, C, T) -> (N, T, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT
