"""A workload whose runs last as long as a test likes, and how its tables are compared."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

METRICS = "mc_fisher,hawq,pairwise,loss"

MODULE = """
import os, signal, time
import torch
from torch import nn
from bitknap.bench import Accuracy, Workload

calls = 0

def build():
    torch.manual_seed(int(os.environ.get("RANK", 0)) if "UNEQUAL" in os.environ else 0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    x = torch.randn(64, 6)
    y = model(x).argmax(dim=1)

    def loss(output, batch):
        global calls
        calls += 1
        time.sleep(float(os.environ.get("PAUSE", 0)))
        if os.environ.get("DIES") == os.environ.get("RANK", "") and calls > 48:
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.cross_entropy(output, batch[1], reduction="none")

    return Workload(
        name="long", title="a network", model=model, loss=loss,
        calibration=lambda samples, seed: list(zip(x.split(8), y.split(8)))[: samples // 8],
        evaluate=lambda network: Accuracy(1, 1),
    )
"""


def command(out: Path, processes: int = 1, metrics: str = METRICS) -> list[str]:
    """The command that computes the table."""
    launcher = ["torch.distributed.run", "--nproc_per_node", str(processes), "-m"]
    return [
        *(sys.executable, "-m", *(launcher if processes > 1 else []), "bitknap"),
        *("sensitivity", "mine:build", "--out", str(out), "--samples", "48"),
        *("--bits", "2,4", "--metrics", metrics),
    ]


def environment(**more: str) -> dict[str, str]:
    """One thread per process, and what the module is told."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def content(path: Path) -> dict[str, bytes]:
    """All members of a table but the times."""
    with np.load(path) as archive:
        return {name: archive[name].tobytes() for name in archive.files if name != "times"}
