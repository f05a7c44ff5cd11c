"""Every export target: what it writes is read back, or refused in one sentence."""

from __future__ import annotations

import csv
import json
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import bitknap
from bitknap.plans.export import TARGETS
from bitknap.plans.export.base import NetworkTarget, TextTarget, applied
from bitknap.plans.export.gguf_types import gguf_type
from bitknap.plans.read_back import output_difference
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.tracing.batches import default_forward

from .test_planning import Mixed, data, network

pytestmark = pytest.mark.filterwarnings("ignore")

ENDINGS = {"onnx": "onnx", "openvino": "xml", "packed": "safetensors", "torchao": "safetensors"}
FORMATS = ["mxfp4", "nvfp4", "fp8_e4m3", "gguf:q4_1", "3"]
CHOICES = {
    "symmetric": ["ternary", "3", "5", "7", "2"],
    "affine,group=4,scale=minmax": ["2", "8", "6", "4", "ternary"],
}


@cache
def given(words: str) -> Any:
    """A plan with a choice per layer, applied."""
    model, labels = network(), CHOICES[words]
    table = bitknap.sensitivity_table(
        model,
        data(),
        bits=("ternary", 2, 3, 4, 5, 6, 7, 8),
        quantizer=Quantizer.parse(words),
        metrics="weight_mse",
    )
    names = [layer.name for layer in table.layers]
    plan = bitknap.Plan(dict(zip(names, labels, strict=True)), table)
    return applied(replace(plan, calibration=tuple(data())), model)


def written(target: str, words: str, folder: Path) -> tuple[Any, Path]:
    path = folder / f"model.{ENDINGS[target]}"
    return TARGETS.load(target).write(given(words), path), path


def installed(target: str) -> None:
    for name in {"onnx": ["onnx", "onnxruntime", "onnxscript"], "openvino": ["openvino", "onnx"],
                 "torchao": ["torchao"], "packed": []}[target]:  # fmt: skip
        pytest.importorskip(name, reason=f"pip install 'bitknap[{target}]'")


def test_every_target_is_one_of_two_kinds() -> None:
    assert set(TARGETS.names()) == {
        *ENDINGS,
        "compressed-tensors",
        "gguf",
        "json",
        "csv",
        "gguf-types",
    }
    for name in TARGETS.names():
        assert isinstance(TARGETS.load(name), TextTarget | NetworkTarget)


@pytest.mark.parametrize("words", CHOICES)
@pytest.mark.parametrize("target", ENDINGS)
def test_networks_compute_the_same_in_their_runtime(
    target: str, words: str, tmp_path: Path
) -> None:
    installed(target)
    exported, path = written(target, words, tmp_path)
    content = path.read_bytes()
    assert exported.size >= len(content) > 0
    if words == "symmetric":
        written(target, words, tmp_path)
        assert path.read_bytes() == content
    loaded = TARGETS.load(target).load(path, network())
    assert output_difference(given(words).network, loaded, data(), default_forward) <= 1e-5
    path.write_bytes(content[:-200])
    with pytest.raises(DataError) as caught:
        TARGETS.load(target).load(path, network())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", CHOICES)
def test_openvino_runs_onnx_files(words: str, tmp_path: Path) -> None:
    installed("onnx")
    installed("openvino")
    _, path = written("onnx", words, tmp_path)
    loaded = TARGETS.load("openvino").load(path, network())
    assert output_difference(given(words).network, loaded, data(), default_forward) <= 1e-5


@cache
def in_formats() -> Any:
    """A plan whose layers are in formats, applied."""
    pytest.importorskip("gguf", reason="pip install 'bitknap[gguf]'")
    model = network()
    bits = (3, "mxfp4", "nvfp4", "gguf:q4_1", "fp8_e4m3")
    table = bitknap.sensitivity_table(model, data(), bits=bits, metrics="weight_mse")
    plan = bitknap.Plan(dict(zip(table.layer_choices, FORMATS, strict=True)), table)
    return applied(replace(plan, calibration=tuple(data())), model)


def test_packed_files_hold_formats_bit_for_bit(tmp_path: Path) -> None:
    made, path = in_formats(), tmp_path / "model.safetensors"
    written = TARGETS.load("packed").write(made, path)
    loaded = TARGETS.load("packed").load(path, network())
    for name, value in made.network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    layout = json.loads(zlib.decompress(load_file(path)["layout"].tobytes()))
    assert [layer.get("format") for layer in layout["layers"]] == [*FORMATS[:4], None]
    kept = sum(load_file(path)[name].nbytes for name in ("codes", "scales"))
    assert kept - made.plan.predicted_bytes in range(len(FORMATS))
    assert written.size <= made.predicted * 1.01 + 2000
    changed = made.network.first.weight.detach().clone()
    try:
        with torch.no_grad():
            made.network.first.weight[0, 0, 0, 0] += 1e-3
        with pytest.raises(DataError, match=r"first\.weight is not on the grid of mxfp4"):
            TARGETS.load("packed").write(made, path)
    finally:
        with torch.no_grad():
            made.network.first.weight.copy_(changed)


def test_plan_files_hold_formats(tmp_path: Path) -> None:
    made = in_formats()
    made.plan.save(tmp_path / "plan.json")
    loaded = bitknap.Plan.load(tmp_path / "plan.json")
    assert loaded.choices == made.plan.choices
    assert loaded.size_bits == made.plan.size_bits
    again = loaded.apply(network(), calibration=data())
    for name, value in made.network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    made.plan.export(None, tmp_path / "rows.json", to="json")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [choice for row in rows.values() for choice in row] == FORMATS


@pytest.mark.parametrize("target", ["onnx", "openvino", "torchao"])
def test_targets_of_whole_numbers_refuse_formats(target: str, tmp_path: Path) -> None:
    installed(target)
    with pytest.raises(UnsupportedError, match="the layer first is in mxfp4; plan with bits, or"):
        TARGETS.load(target).write(in_formats(), tmp_path / f"model.{ENDINGS[target]}")


@pytest.mark.parametrize("target", ["packed", "torchao"])
def test_files_of_another_network_are_refused(target: str, tmp_path: Path) -> None:
    installed(target)
    _, path = written(target, "symmetric", tmp_path)
    with pytest.raises(DataError, match="load it into the"):
        TARGETS.load(target).load(path, nn.Sequential(nn.Linear(2, 2)))


def test_torchao_s_config_is_one_that_quantize_accepts(tmp_path: Path) -> None:
    installed("torchao")
    from safetensors import safe_open
    from torchao.core.config import config_from_dict
    from torchao.quantization import quantize_

    _, path = written("torchao", "symmetric", tmp_path)
    with safe_open(path, "pt") as file:
        stored = json.loads(file.metadata()["bitknap"])
    model = network()
    quantize_(model, config_from_dict(stored["config"]), filter_fn=None)
    assert model.head.weight.target_dtype == torch.int2
    assert model.grouped.weight.target_dtype == torch.int5


def test_json_and_csv_hold_what_was_chosen_or_the_whole_table(tmp_path: Path) -> None:
    table = bitknap.sensitivity_table(network(), data(), bits=(2, 4), metrics="weight_mse")
    plan = bitknap.Plan(table.uniform("4"), table)
    plan.export(None, tmp_path / "plan.json", to="json")
    found = json.loads((tmp_path / "plan.json").read_text())
    assert {layer: list(choices) for layer, choices in found.items()} == {
        layer.name: ["4"] for layer in table.layers
    }
    total = sum(row["4"]["size_bits"] for row in found.values())
    assert total == plan.size_bits
    text = TARGETS.load("csv").rows_text(table, range(len(table.labels)))
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["choice"] for row in rows] == list(table.labels)
    assert [float(row["weight_mse"]) for row in rows] == table.omega["weight_mse"].tolist()


class Block(nn.Module):
    """Linear layers under names that llama.cpp's converter knows."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.ModuleDict({"self_attn": nn.ModuleDict({"q_proj": nn.Linear(64, 64)})})
        self.model = nn.ModuleDict({"layers": nn.ModuleList([layer])})
        self.lm_head = nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.lm_head(
            self.model["layers"][0]["self_attn"]["q_proj"](x.flatten(1)).relu()
        )
        return out


def test_gguf_types_are_lines_for_llama_cpp(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="pip install 'bitknap[llm]'")
    table = bitknap.sensitivity_table(Block().eval(), data(), bits=(3, 8), metrics="weight_mse")
    names = [layer.name for layer in table.layers]
    plan = bitknap.Plan(dict(zip(names, ("3", "8"), strict=True)), table)
    plan.export(None, tmp_path / "types.txt", to="gguf-types")
    assert (tmp_path / "types.txt").read_text().splitlines() == [
        "--tensor-type blk.0.attn_q.weight=q3_k",
        "--tensor-type output.weight=q8_0",
    ]
    other = bitknap.sensitivity_table(network(), data(), bits=(3,), metrics="weight_mse")
    with pytest.raises(UnsupportedError, match="GGUF has no name for the layer"):
        bitknap.Plan(other.uniform("3"), other).export(None, tmp_path / "x.txt", to="gguf-types")


def test_gguf_types_never_have_fewer_bits_than_the_plan() -> None:
    import re

    for bits in range(2, 17):
        assert int(re.search(r"\d+", gguf_type(str(bits))).group()) >= bits
    assert (gguf_type("ternary"), gguf_type("float")) == ("tq2_0", "f32")
    assert [gguf_type(f"gguf:{kind}") for kind in ("q4_1", "q8_0")] == ["q4_1", "q8_0"]
    assert [gguf_type(label) for label in ("mxfp4", "nvfp4", "fp8_e4m3")] == [
        "mxfp4",
        "q4_k",
        "q8_0",
    ]


def test_plans_of_another_network_or_quantizer_are_refused(tmp_path: Path) -> None:
    plan = bitknap.plan(network(), data(), bits=4, measure=0)
    torch.manual_seed(9)
    for target in ("packed", "onnx", "openvino", "torchao"):
        with pytest.raises(DataError, match="other weights"):
            plan.export(Mixed().eval(), tmp_path / "model.xml", to=target)
        with pytest.raises(DataError, match="pass the float network"):
            plan.export(None, tmp_path / "model.xml", to=target)
    with pytest.raises(DataError, match="another quantizer"):
        bitknap.apply_plan(network(), plan.table, plan.choices, Quantizer.parse("affine"))
    assert not list(tmp_path.iterdir())


def test_openvino_files_end_in_xml(tmp_path: Path) -> None:
    installed("openvino")
    plan = bitknap.plan(network(), data(), bits=4, measure=0)
    with pytest.raises(DataError, match=r"reads an \.xml file with a \.bin beside it"):
        plan.export(network(), tmp_path / "model.bin", to="openvino")


def test_the_strip_has_a_bar_per_layer() -> None:
    plan = bitknap.plan(network(), data(), bits=4, measure=0)
    (axes,) = plan.plot().axes
    bars = axes.patches
    shares = [layer.numel / plan.table.weights for layer in plan.table.layers]
    assert [bar.get_width() for bar in bars] == pytest.approx(shares)
    assert [bar.get_height() for bar in bars] == plan.table.bits[plan.items].tolist()


class Tied(nn.Module):
    """An embedding that is also the head, its layer left in float or not, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(300, 40)
        self.head = nn.Linear(40, 300, bias=False)
        self.head.weight = self.embed.weight
        self.middle = nn.Linear(40, 40)
        self.register_buffer("whole", torch.arange(12.0))
        self.register_buffer("part", self.whole[:6])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.middle(self.embed(ids)) + self.part.sum())
        return out


@pytest.mark.parametrize("choice", ["4", "float"])
def test_tied_weights_are_stored_once(choice: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Tied().eval()
    batches = [(torch.randint(300, (6,)), torch.randint(300, (6,)))]
    table = bitknap.sensitivity_table(model, batches, bits=(4, "float"), metrics="weight_mse")
    plan = bitknap.Plan({"embed": choice, "middle": "4"}, table, calibration=tuple(batches))
    path = tmp_path / "model.safetensors"
    exported = plan.export(model, path, to="packed")
    codes = (300 * 40 // 2 + 4 * 300) if choice == "4" else 4 * 300 * 40
    assert exported.predicted == codes + 40 * 40 // 2 + 4 * 40 + 4 * (40 + 12 + 6)
    assert exported.size <= exported.predicted * 1.01 + 2000
    loaded = bitknap.load_packed(model, path)
    assert loaded.head.weight is loaded.embed.weight
    for name, value in plan.apply(model).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


class Masked(nn.Module):
    """The mean of the words that a mask names, through two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.inner = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        seen = mask[..., None].float()
        found = self.inner(self.words(ids)).relu() * seen
        return self.head(found.sum(dim=1) / seen.sum(dim=1))


def sentences(*lengths: int) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    return [
        (torch.randint(11, (4, n)), torch.randint(3, (4,)), torch.ones(4, n, dtype=torch.long))
        for n in lengths
    ]


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_dimensions_in_which_calibration_batches_differ_are_free(
    target: str, tmp_path: Path
) -> None:
    installed(target)
    torch.manual_seed(0)
    model = Masked().eval()

    def forward(network: nn.Module, batch: Any) -> Any:
        return network(batch[0], batch[2])

    path = tmp_path / f"model.{ENDINGS[target]}"
    for lengths, free in (((9, 6, 9), True), ((9, 9), False)):
        batches = sentences(*lengths)
        plan = bitknap.plan(model, batches, bits=4, forward=forward, metric="weight_mse", measure=0)
        plan.export(model, path, to=target)
        loaded = TARGETS.load(target).load(path, model)
        made, longer = plan.apply(model), sentences(9, 13, 2)
        if free:
            assert output_difference(made, loaded, longer, forward) <= 1e-5
        else:
            assert output_difference(made, loaded, longer[:1], forward) <= 1e-5
            with pytest.raises(DataError, match="refuses the inputs"):
                forward(loaded, longer[1])


def test_a_file_that_does_not_run_is_a_sentence() -> None:
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(3, 5))
    with pytest.raises(DataError, match="the file does not run: mat1 and mat2"):
        output_difference(network(), narrow, data(), default_forward)
