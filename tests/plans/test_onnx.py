"""ONNX files: as small as predicted, and equal to the applied network in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bitknap
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import ActivationQuantizer, Quantizer

from .test_planning import data, network

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

pytestmark = pytest.mark.filterwarnings("ignore")


def run(path: Path, x: torch.Tensor) -> Any:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return answer


@pytest.mark.parametrize("words", ["symmetric", "affine,scale=minmax", "symmetric,group=5"])
def test_the_runtime_gives_the_applied_network_s_outputs(words: str, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.onnx"
    table = bitknap.sensitivity_table(
        model, data(), bits=("ternary", 2, 3, 5, 7, 8), quantizer=Quantizer.parse(words)
    )
    labels = ["ternary", "3", "5", "7", "2"]
    names = [layer.name for layer in table.layers]
    plan = bitknap.Plan(dict(zip(names, labels, strict=True)), table)
    inputs = (data()[0][0],)
    written = plan.export(model, path, inputs=inputs, calibration=data())
    assert written.size == path.stat().st_size
    applied = plan.apply(model, calibration=data())
    for count in (1, 6, 11):
        x = torch.randn(count, 1, 8, 8)
        with torch.no_grad():
            wanted = applied(x).numpy()
        assert np.abs(run(path, x) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_the_weights_that_the_runtime_unpacks_are_bit_identical(tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.onnx"
    nn.init.uniform_(model.norm.weight, -2, 2)
    plan = bitknap.plan(model, data(), bits=4, choices=(2, 3, 5, 7, 8), measure=0)
    plan.export(model, path)
    proto = onnx.load(path)
    names = [layer.parameter for layer in plan.table.layers]
    for name in names:
        proto.graph.output.append(onnx.ValueInfoProto(name=name))
    session = runtime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    state = plan.apply(model).state_dict()
    found = session.run(names, {session.get_inputs()[0].name: data()[0][0].numpy()})
    for name, value in zip(names, found, strict=True):
        assert np.array_equal(value, state[name].numpy()), name
    _is_slim_and_folds(path)


def _is_slim_and_folds(path: Path) -> None:
    """A batch norm keeps two vectors, and the runtime folds the unpacking at load."""
    proto = onnx.load(path)
    stored = {tensor.name for tensor in proto.graph.initializer}
    (norm,) = [node for node in proto.graph.node if node.op_type == "BatchNormalization"]
    assert len(stored & set(norm.input)) == 2
    assert not proto.functions
    assert {one.domain for one in proto.opset_import} == {""}
    assert not any(node.name or node.metadata_props for node in proto.graph.node)
    options = runtime.SessionOptions()
    options.optimized_model_filepath = str(path.with_name("folded.onnx"))
    options.log_severity_level = 3
    runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = {node.op_type for node in onnx.load(path.with_name("folded.onnx")).graph.node}
    assert not kinds & {"Gather", "Range", "Div", "Mod", "BatchNormalization"}


@pytest.mark.parametrize("words", ["symmetric", "symmetric,group=48"])
def test_the_file_is_as_small_as_its_codes(words: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512)).eval()
    batches = [(torch.randn(16, 64), torch.randint(512, (16,))) for _ in range(2)]
    quantizer = Quantizer.parse(words)
    plan = bitknap.plan(model, batches, bits=3, quantizer=quantizer, measure=0)
    written = plan.export(model, tmp_path / "model.onnx")
    rest = 4 * 1024
    assert written.predicted == plan.predicted_bytes + rest
    assert written.size <= 1.02 * written.predicted
    assert written.size == (tmp_path / "model.onnx").stat().st_size


class Tokens(nn.Module):
    """A linear layer on (N, T, d), whose weight is transposed in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x.reshape(len(x), 8, 8)).mean(dim=1)
        return out


def test_weights_that_are_transposed_in_the_graph_keep_their_codes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = Tokens().eval(), tmp_path / "model.onnx"
    plan = bitknap.plan(model, data(), bits=4, choices=4, measure=0)
    plan.export(model, path)
    x = data()[0][0]
    with torch.no_grad():
        wanted = plan.apply(model)(x).numpy()
    assert np.abs(run(path, x) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert "Gather" in {node.op_type for node in onnx.load(path).graph.node}


class Attention(nn.Module):
    """Attention of (N, T, d) to itself, or to itself from its end."""

    def __init__(self, *, turned: bool = False) -> None:
        super().__init__()
        self.attention, self.turned = nn.MultiheadAttention(8, 2, batch_first=True), turned

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.reshape(len(x), 8, 8)
        other = x.flip(1) if self.turned else x
        out: torch.Tensor = self.attention(x, other, other, need_weights=False)[0].mean(dim=1)
        return out


@pytest.mark.parametrize("words", ["affine", "symmetric,scale=mse"])
@pytest.mark.parametrize("made", [network, Tokens, Attention])
def test_activations_are_quantized_in_the_graph(made: Any, words: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = made().eval(), tmp_path / "model.onnx"
    activations = ActivationQuantizer.parse(words, (4, 8, "float"))
    table = bitknap.sensitivity_table(model, data(), bits=(4,), activations=activations)
    labels = ["w4a8", "w4a4", "w4afloat", "w4a8", "w4a4"]
    names = [layer.name for layer in table.layers]
    plan = bitknap.Plan(dict(zip(names, labels[: len(names)], strict=True)), table)
    plan.export(model, path, inputs=(data()[0][0],), calibration=data())
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    grids = sum(not label.endswith("float") for label in labels[: len(names)])
    assert kinds.count("QuantizeLinear") == kinds.count("DequantizeLinear") == grids
    assert kinds.count("Clip") == sum(label.endswith("a4") for label in labels[: len(names)])
    applied = plan.apply(model, calibration=data())
    plain = bitknap.apply_plan(model, table, dict.fromkeys(names, "w4afloat"), calibration=data())
    x = data()[0][0]
    with torch.no_grad():
        wanted, other = applied(x).numpy(), plain(x).numpy()
    assert np.abs(run(path, x) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.abs(other - wanted).max() > 1e-3 * np.abs(wanted).max()


def test_activations_of_a_split_weight_are_refused(tmp_path: Path) -> None:
    model = Attention(turned=True).eval()
    activations = ActivationQuantizer((8,))
    table = bitknap.sensitivity_table(model, data(), bits=(4,), activations=activations)
    plan = bitknap.Plan(table.uniform("w4a8"), table)
    with pytest.raises(UnsupportedError, match=r"attention\.in_proj_weight is used by \w+; plan"):
        plan.export(model, tmp_path / "model.onnx", inputs=(data()[0][0],))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.onnx"
    pairs = bitknap.sensitivity_table(
        model, data(), bits=(4,), activations=ActivationQuantizer((8, 12))
    )
    plan = bitknap.Plan(pairs.uniform("w4a12"), pairs)
    with pytest.raises(UnsupportedError, match=r"up to 8 bits, and first\.weight reads 12"):
        plan.export(model, path, inputs=(data()[0][0],))
    plan = bitknap.Plan(pairs.uniform("w4a8"), pairs)
    with pytest.raises(UnsupportedError, match="without activation bits"):
        plan.export(model, path.with_suffix(".xml"), to="openvino", inputs=(data()[0][0],))
    plain = bitknap.plan(model, data(), bits=4, measure=0)
    with pytest.raises(UnsupportedError, match="no export target is named 'coffee'"):
        plain.export(model, path, to="coffee")
    alone = bitknap.Plan(plain.choices, plain.table)
    with pytest.raises(DataError, match="pass inputs="):
        alone.export(model, path)
    assert not path.exists()
