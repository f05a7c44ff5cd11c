"""The examples of README, home and formats run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bitknap

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
HOME = ROOT / "docs" / "index.md"
FORMATS = ROOT / "docs" / "formats.md"


def test_the_example_takes_a_network_and_a_loader_to_an_allocation() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    data = TensorDataset(torch.randn(32, 3, 8, 8), torch.randint(0, 5, (32,)))
    blocks = re.findall(r"```python\n(.*?)```", HOME.read_text(encoding="utf-8"), re.DOTALL)
    names = {"model": model, "loader": DataLoader(data, batch_size=16), "bitknap": bitknap}
    model.eval()
    exec(blocks[1], names)
    solution = names["solution"]
    assert isinstance(solution, bitknap.Solution)
    assert solution.status is bitknap.Status.OPTIMAL
    assert set(solution.labels or {}) == {"0", "3"}
    assert names["quantized"][0].weight[0].unique().numel() <= 2 ** int(solution.labels["0"])


def test_the_first_block_takes_a_network_to_a_small_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    data = TensorDataset(torch.randn(32, 3, 8, 8), torch.randint(0, 5, (32,)))
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names = {"model": model, "loader": DataLoader(data, batch_size=16)}
    exec(blocks[0], names)
    loaded = bitknap.load_packed(model, tmp_path / "model.safetensors")
    x = data.tensors[0]
    assert torch.equal(loaded(x), names["small"](x))
    assert names["plan"].average_bits <= 3


def test_the_instance_of_the_formats_is_well_formed(tmp_path: Path) -> None:
    text = FORMATS.read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "i.json").write_text(blocks[0])
    solution = bitknap.solve(bitknap.load_instance(tmp_path / "i.json"))
    assert solution.status is bitknap.Status.OPTIMAL
