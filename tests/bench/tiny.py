"""A workload small enough for tests: a linear task that a small network has learnt."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bitknap.bench.job.run import Job
from bitknap.bench.workloads.accuracy import Accuracy
from bitknap.bench.workloads.base import Workload, cross_entropy
from bitknap.plans.budgets import parse_budget


@cache
def tiny_workload(seed: int = 0) -> Workload:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(600, 1, 6, 6, generator=generator)
    teacher = torch.randn(36, 3, generator=generator)
    y = (x.flatten(1) @ teacher).argmax(dim=1)
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 16), nn.ReLU(),
        nn.Linear(16, 3),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[:400]), y[:400]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval().requires_grad_(False)

    def calibration(samples: int, draw: int) -> list[Any]:
        order = torch.randperm(400, generator=torch.Generator().manual_seed(draw))[:samples]
        return [(x[part], y[part]) for part in order.split(32)]

    def training(draw: int) -> list[Any]:
        order = torch.randperm(400, generator=torch.Generator().manual_seed(draw))
        return [(x[part], y[part]) for part in order.split(40)]

    def evaluate(network: nn.Module) -> Accuracy:
        right: Tensor = network(x[400:]).argmax(dim=1) == y[400:]
        return Accuracy.of(right)

    return Workload(
        name="tiny",
        title="a tiny network",
        model=model,
        calibration=calibration,
        loss=cross_entropy,
        evaluate=evaluate,
        provenance={"data_sha256": f"seed {seed}"},
        training=training,
        test=lambda: list(zip(x[400:].split(50), y[400:].split(50), strict=True)),
    )


def tiny_job(out: Path, **changes: object) -> Job:
    job = Job(
        workload=tiny_workload(),
        metrics=("fisher", "weight_mse"),
        bits=(2, 3, 4, 8),
        budgets=tuple(map(parse_budget, ("2.25", "3", "2kB"))),
        solvers=("greedy", "core", "dp"),
        samples=64,
        seed=0,
        out=out,
        measure=8,
        full=True,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def quiet(text: str) -> None:
    pass
