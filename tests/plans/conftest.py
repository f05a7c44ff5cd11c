"""A small network with its data and its table, for the tests of plans."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import bitknap
from bitknap.sensitivity import SensitivityTable


@pytest.fixture(scope="module")
def scored() -> tuple[nn.Module, list[Any], SensitivityTable]:
    """Network, batches, and the table of its scores."""
    torch.manual_seed(0)
    layers = [nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)]
    model = nn.Sequential(*layers).double().eval()
    batches = [(torch.randn(8, 6, dtype=torch.float64), torch.randint(4, (8,))) for _ in range(6)]
    table = bitknap.sensitivity_table(
        model, batches, metrics=["fisher", "weight_mse"], bits=[2, 3, 4, 8]
    )
    return model, batches, table
