"""compressed-tensors files: packed weights, read back by the package and by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import bitknap
from bitknap.plans.export import TARGETS
from bitknap.plans.read_back import output_difference
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.tracing.batches import default_forward

pytest.importorskip("compressed_tensors", reason="pip install 'bitknap[compressed-tensors]'")
pytestmark = pytest.mark.filterwarnings("ignore")

BITS = ("ternary", 2, 3, 4, "mxfp4", 5, 6, 7, 8, "fp8_e4m3", "float")


class Network(nn.Module):
    """An embedding that is also the head, and linear layers with biases between."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(10))
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = x + layer(self.norm(x)).tanh()
        out: Tensor = self.head(x)
        return out


def planned(words: str) -> tuple[nn.Module, bitknap.Plan]:
    torch.manual_seed(0)
    model = Network().eval()
    data = [(torch.randint(50, (16,)), torch.randint(50, (16,)))]
    quantizer = Quantizer.parse(words)
    table = bitknap.sensitivity_table(
        model, data, bits=BITS, quantizer=quantizer, metrics="weight_mse"
    )
    choices = dict(zip(table.layer_choices, map(str, BITS), strict=True))
    return model, bitknap.Plan(choices, table, calibration=tuple(data))


@pytest.mark.parametrize("words", ["symmetric", "affine", "symmetric,group=8", "affine,group=16"])
def test_weights_are_those_of_the_applied_network(words: str, tmp_path: Path) -> None:
    model, plan = planned(words)
    path, target = tmp_path / "model.safetensors", TARGETS.load("compressed-tensors")
    exported = plan.export(model, path, to="compressed-tensors")
    content = path.read_bytes()
    applied, loaded = plan.apply(model), target.load(path, model)
    for name, value in applied.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert loaded.head.weight is loaded.embed.weight
    assert output_difference(applied, loaded, plan.calibration, default_forward) == 0
    tensors = load_file(path)
    assert tensors["layers.2.weight_packed"].shape == (32, 4)
    assert tensors["layers.8.weight"].dtype == torch.float8_e4m3fn
    assert "head.weight" not in tensors
    size = sum(t.nbytes for name, t in tensors.items() if not name.endswith("shape"))
    assert size <= exported.predicted + 0.4 / 8 * 50 * 32 + 32 * 12 * 4
    plan.export(model, path, to="compressed-tensors")
    assert path.read_bytes() == content
    path.write_bytes(content[:-100])
    with pytest.raises(DataError, match="damaged"):
        target.load(path, model)


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model, plan = planned("symmetric")
    table = bitknap.sensitivity_table(model, plan.calibration, bits="nvfp4", metrics="weight_mse")
    other = bitknap.Plan(table.uniform("nvfp4"), table)
    with pytest.raises(UnsupportedError, match=r"holds 2 to 8 bits, .* embed is in nvfp4"):
        other.export(model, path, to="compressed-tensors")
    odd = nn.Sequential(nn.Conv1d(3, 4, 1), nn.Flatten(), nn.Linear(8, 5)).eval()
    data = [(torch.randn(4, 3, 2), torch.randint(5, (4,)))]
    table = bitknap.sensitivity_table(odd, data, bits=4, metrics="weight_mse")
    with pytest.raises(UnsupportedError, match="linear layers and embeddings, and 0 is of Conv1d"):
        bitknap.Plan(table.uniform(4), table).export(odd, path, to="compressed-tensors")
    model, plan = planned("group=12")
    with pytest.raises(UnsupportedError, match="whole groups, and 32 weights of"):
        plan.export(model, path, to="compressed-tensors")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    model, plan = planned("symmetric")
    with pytest.raises(DataError, match=r"config\.json is of another network and would be lost"):
        plan.export(model, path, to="compressed-tensors")
    assert not path.exists()


def test_transformers_loads_the_same_weights(tiny_llama: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="pip install 'bitknap[llm]'")
    (model, data, logits), bits = tiny_llama, (3, 4, 8)
    table = bitknap.sensitivity_table(
        model, data, bits=bits, forward=logits, metrics="weight_mse", exclude=["*embed*", "lm_head"]
    )
    names = list(table.layer_choices)
    choices = {name: str(bits[number % 3]) for number, name in enumerate(names)}
    plan = bitknap.Plan(choices, table, calibration=tuple(data), forward=logits)
    plan.export(model, tmp_path / "model.safetensors", to="compressed-tensors")
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["architectures"] == ["LlamaForCausalLM"]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(logits(theirs.eval(), data[0]), logits(plan.apply(model), data[0]))
