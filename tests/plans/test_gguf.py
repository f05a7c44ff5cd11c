"""GGUF files: mixed types, read back bit for bit by the package and by transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.plans.export import TARGETS
from bitknap.problems import DataError, UnsupportedError

gguf = pytest.importorskip("gguf", reason="pip install 'bitknap[gguf]'")

BITS = ("mxfp4", "gguf:q4_0", "gguf:q5_1", "gguf:q8_0", "float")
HEADS, KEYS, SIZE = 4, 2, 8


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, HEADS * SIZE, bias=False)
        self.k_proj = nn.Linear(32, KEYS * SIZE, bias=False)
        self.v_proj = nn.Linear(32, KEYS * SIZE, bias=False)
        self.o_proj = nn.Linear(32, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        q, k, v = (part.unflatten(-1, (-1, SIZE)).transpose(1, 2) for part in parts)
        k, v = (part.repeat_interleave(HEADS // KEYS, dim=1) for part in (k, v))
        weights = (q @ k.mT / SIZE**0.5).softmax(dim=-1)
        out: Tensor = self.o_proj((weights @ v).transpose(1, 2).flatten(2))
        return out


class Decoder(nn.Module):
    """A layer under the names of transformers' Llama."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            model_type="llama", vocab_size=40, max_position_embeddings=64, hidden_size=32,
            num_hidden_layers=1, intermediate_size=64, num_attention_heads=HEADS,
            num_key_value_heads=KEYS, head_dim=SIZE, rms_norm_eps=1e-5, rope_theta=10000.0,
        )  # fmt: skip
        layer = {"self_attn": Attention(), "input_layernorm": nn.RMSNorm(32)}
        layer["mlp"] = nn.ModuleDict({"up_proj": nn.Linear(32, 64), "down_proj": nn.Linear(64, 32)})
        self.model = nn.ModuleDict(
            {"embed_tokens": nn.Embedding(40, 32), "layers": nn.ModuleList([nn.ModuleDict(layer)])}
        )
        self.lm_head = nn.Linear(32, 40, bias=False)
        self.lm_head.weight = self.model["embed_tokens"].weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.model["embed_tokens"](ids)
        layer: Any = self.model["layers"][0]
        x = x + layer["self_attn"](layer["input_layernorm"](x))
        x = x + layer["mlp"]["down_proj"](layer["mlp"]["up_proj"](x).relu())
        out: Tensor = self.lm_head(x)
        return out[:, -1]


@pytest.fixture(scope="module")
def planned() -> tuple[nn.Module, bitknap.Plan]:
    torch.manual_seed(0)
    model = Decoder().eval()
    batches = [(torch.randint(40, (6, 5)), torch.randint(40, (6,))) for _ in range(2)]
    table = bitknap.sensitivity_table(model, batches, bits=BITS, metrics="weight_mse")
    names = list(table.layer_choices)
    choices = {name: BITS[number % len(BITS)] for number, name in enumerate(names)}
    return model, bitknap.Plan(choices, table, calibration=tuple(batches))


def test_files_hold_the_applied_weights_bit_for_bit(planned: Any, tmp_path: Path) -> None:
    model, plan = planned
    path = tmp_path / "model.gguf"
    exported = plan.export(model, path, to="gguf")
    content = path.read_bytes()
    assert exported.size == len(content) <= exported.predicted + 4000
    applied, loaded = plan.apply(model), TARGETS.load("gguf").load(path, model)
    for name, value in applied.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    plan.export(model, path, to="gguf")
    assert path.read_bytes() == content


def test_types_names_and_order_are_gguf_s(planned: Any, tmp_path: Path) -> None:
    model, plan = planned
    plan.export(model, path := tmp_path / "model.gguf", to="gguf")
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert "output.weight" not in tensors
    names = {"model.embed_tokens": "token_embd", "model.layers.0.mlp.up_proj": "blk.0.ffn_up"}
    names |= {f"model.layers.0.self_attn.{c}_proj": f"blk.0.attn_{c}" for c in "qkv"}
    for layer, name in names.items():
        kind = plan.choices[layer].replace("gguf:", "").replace("float", "f32").upper()
        assert tensors[f"{name}.weight"].tensor_type.name == kind
    applied = plan.apply(model).state_dict()
    for part, heads in (("q", HEADS), ("k", KEYS)):
        stored = tensors[f"blk.0.attn_{part}.weight"]
        rows = gguf.quants.dequantize(stored.data, stored.tensor_type)
        mine = applied[f"model.layers.0.self_attn.{part}_proj.weight"].numpy()
        order = [h * SIZE + half * SIZE // 2 + i
                 for h in range(heads) for i in range(SIZE // 2) for half in (0, 1)]  # fmt: skip
        assert np.array_equal(rows, mine[order])
    facts = {name: field.contents() for name, field in reader.fields.items()}
    assert facts["general.architecture"] == "llama"
    assert facts["llama.attention.head_count_kv"] == KEYS
    assert facts["llama.rope.freq_base"] == 10000.0


def test_metadata_of_another_file_are_taken_over(planned: Any, tmp_path: Path) -> None:
    model, plan = planned
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    plain = replace(plan, choices=dict.fromkeys(plan.choices, "gguf:q8_0"))
    plain.export(model, first, to="gguf")
    reader = gguf.GGUFReader(first)
    writer = gguf.GGUFWriter(tokens := tmp_path / "tokens.gguf", "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0])
    writer.add_token_list(["a", "é", "<s>"])
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    plan.export(model, second, to="gguf", like=tokens)
    facts = {n: f.contents() for n, f in gguf.GGUFReader(second).fields.items()}
    assert facts["tokenizer.ggml.tokens"] == ["a", "é", "<s>"]
    assert facts["tokenizer.ggml.add_bos_token"] is True
    assert facts["llama.block_count"] == 1
    loaded = TARGETS.load("gguf").load(second, model)
    for name, value in plan.apply(model).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    swapped = Decoder().eval()
    table = bitknap.sensitivity_table(swapped, plan.calibration, bits=BITS, metrics="weight_mse")
    other = bitknap.Plan(plan.choices, table, calibration=plan.calibration)
    with pytest.raises(DataError, match="is not that of the network, or arranged in another way"):
        other.export(swapped, tmp_path / "third.gguf", to="gguf", like=tokens)


def test_what_gguf_cannot_hold_is_refused_in_a_sentence(planned: Any, tmp_path: Path) -> None:
    model, plan = planned
    path = tmp_path / "model.gguf"
    numbers = bitknap.sensitivity_table(model, plan.calibration, bits=4, metrics="weight_mse")
    with pytest.raises(UnsupportedError, match=r"no type for 4, the choice of .*--bits gguf"):
        bitknap.Plan(numbers.uniform(4), numbers).export(model, path, to="gguf")
    odd = nn.Sequential(nn.Linear(33, 5)).eval()
    data = [(torch.randn(4, 33), torch.randint(5, (4,)))]
    table = bitknap.sensitivity_table(odd, data, bits=["gguf:q8_0"], metrics="weight_mse")
    with pytest.raises(UnsupportedError, match="multiple of 32 weights, and 0 is 5 x 33"):
        bitknap.Plan(table.uniform("gguf:q8_0"), table).export(odd, path, to="gguf")
    odd = nn.Sequential(nn.Linear(64, 5)).eval()
    data = [(torch.randn(4, 64), torch.randint(5, (4,)))]
    table = bitknap.sensitivity_table(odd, data, bits=["gguf:q8_0"], metrics="weight_mse")
    with pytest.raises(
        UnsupportedError, match=r"plain Llama of transformers; for another .* like="
    ):
        bitknap.Plan(table.uniform("gguf:q8_0"), table).export(odd, path, to="gguf")
    assert not path.exists()


def test_damaged_files_are_refused_in_a_sentence(planned: Any, tmp_path: Path) -> None:
    model, plan = planned
    plan.export(model, path := tmp_path / "model.gguf", to="gguf")
    content, target = path.read_bytes(), TARGETS.load("gguf")
    for damaged in (b"", b"GGUF", content[:-200], content[:100], b"x" + content[1:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            target.load(path, model)
        assert "\n" not in str(caught.value)
    path.write_bytes(content)
    smaller = Decoder().eval()
    smaller.model["embed_tokens"] = nn.Embedding(39, 32)
    smaller.lm_head.weight = smaller.model["embed_tokens"].weight
    with pytest.raises(DataError, match="load it into the architecture"):
        target.load(path, smaller)


@pytest.mark.filterwarnings("ignore")
def test_transformers_reads_the_same_weights(tiny_llama: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="pip install 'bitknap[llm]'")
    pytest.importorskip("accelerate", reason="pip install 'bitknap[llm]'")
    model, data, logits = tiny_llama
    bits = [bit for bit in BITS if bit != "mxfp4"]
    table = bitknap.sensitivity_table(model, data, bits=bits, forward=logits, metrics="weight_mse")
    names = list(table.layer_choices)
    choices = {name: bits[number % len(bits)] for number, name in enumerate(names)}
    plan = bitknap.Plan(choices, table, calibration=tuple(data), forward=logits)
    plan.export(model, tmp_path / "model.gguf", to="gguf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32
    )
    applied = plan.apply(model)
    for name, value in applied.state_dict().items():
        assert torch.equal(theirs.state_dict()[name], value), name
    assert torch.equal(logits(theirs.eval(), data[0]), logits(applied, data[0]))
