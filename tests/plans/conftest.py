"""A small network with its data and its table, for the tests of plans."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.sensitivity import SensitivityTable


@pytest.fixture
def tiny_llama() -> tuple[nn.Module, list[Any], Any]:
    """A Llama of transformers, batches of token ids, and the function that runs it."""
    transformers = pytest.importorskip("transformers", reason="pip install 'bitknap[llm]'")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32,
    )  # fmt: skip
    ids = torch.randint(64, (4, 9), generator=torch.Generator().manual_seed(0))

    def logits(network: nn.Module, batch: Any) -> Tensor:
        out: Tensor = network(input_ids=batch[0], use_cache=False).logits[:, -1]
        return out

    return transformers.LlamaForCausalLM(config).eval(), [(ids, ids[:, 0])], logits


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
