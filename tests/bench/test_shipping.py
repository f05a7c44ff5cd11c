"""Plans as files on the command line: made, applied, evaluated, exported, read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

import bitknap
from bitknap.bench.job.plan_files import read_plan
from bitknap.problems import (
    BitknapError,
    DataError,
    InfeasibleError,
    InstanceError,
    UnsupportedError,
)
from bitknap.sensitivity import save_table

from .commands import call
from .tiny import tiny_workload

WORKLOAD = "tests.bench.tiny:tiny_workload"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and a plan made from it."""
    found, workload = tmp_path_factory.mktemp("plans"), tiny_workload()
    table = bitknap.sensitivity_table(
        workload.model, workload.calibration(64, 0), metrics=("fisher", "weight_mse")
    )
    save_table(table, found / "table.npz")
    call("plan", found / "table.npz", "--budget", "3", "--out", found / "plan.json")
    return found


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_a_plan_of_a_table_is_its_proven_optimum(folder: Path) -> None:
    plan = bitknap.Plan.load(folder / "plan.json")
    solved = json.loads(call("solve", folder / "table.npz", "--budget", "3", "--json"))
    assert solved["status"] == "optimal"
    assert plan.choices == solved["choice"] == read_plan(folder / "plan.json")
    assert plan.prediction is not None
    assert plan.prediction.value == solved["objective"]
    assert plan.prediction.proven
    printed = call("plan", folder / "table.npz", "--size", "1.2 kB", "--metric", "weight_mse")
    assert "by weight_mse, proven" in printed
    document = json.loads(
        call("plan", folder / "table.npz", "--budget", "8x", "--pin", "@last=8", "--json")
    )
    assert document["layers"][-1]["choice"] == "8"


def test_plans_of_tables_need_no_torch(folder: Path) -> None:
    program = (
        "import sys; from bitknap.cli import main\n"
        f"sys.argv = ['bitknap', 'plan', {str(folder / 'table.npz')!r}, '--budget', '3']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\nassert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_apply_writes_what_the_library_applies(folder: Path, tmp_path: Path) -> None:
    plan, workload = bitknap.Plan.load(folder / "plan.json"), tiny_workload()
    wanted = plan.apply(workload.model, calibration=workload.calibration(64, 0)).state_dict()
    arguments = (folder / "plan.json", WORKLOAD, "--samples", "64")
    call("apply", *arguments, "--out", tmp_path / "a.safetensors")
    call("apply", *arguments, "--packed", "--out", tmp_path / "b.safetensors")
    floats = safetensors.torch.load_file(tmp_path / "a.safetensors")
    packed = bitknap.load_packed(workload.model, tmp_path / "b.safetensors").state_dict()
    assert all(torch.equal(floats[name], value) for name, value in wanted.items())
    assert all(torch.equal(packed[name], value) for name, value in wanted.items())
    sizes = [(tmp_path / name).stat().st_size for name in ("a.safetensors", "b.safetensors")]
    assert sizes[1] < sizes[0]


def test_evaluate_says_the_accuracies(folder: Path) -> None:
    arguments = (folder / "plan.json", WORKLOAD, "--samples", "64")
    found = json.loads(call("evaluate", *arguments, "--json"))
    workload = tiny_workload()
    plan = bitknap.Plan.load(folder / "plan.json")
    applied = plan.apply(workload.model, calibration=workload.calibration(64, 0))
    assert found["float"]["correct"] == workload.evaluate(workload.model).correct
    assert found["quantized"]["correct"] == workload.evaluate(applied).correct
    pytest.importorskip("onnxruntime", reason="pip install 'bitknap[onnx]'")
    both = json.loads(call("evaluate", *arguments, "--onnx", "--json"))
    assert both["onnxruntime"] == both["quantized"] == found["quantized"]


def test_exports_are_read_back(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    found = json.loads(
        call("export", folder / "plan.json", WORKLOAD, "--to", "packed", "--samples", "64",
             "--out", out, "--json")
    )  # fmt: skip
    assert found["file_bytes"] == out.stat().st_size
    assert found["difference"] == 0
    assert found["accuracy"]["pytorch"] == found["accuracy"]["runtime"]
    assert found["accuracy"]["runtime"]["total"] == 200
    assert found["changed"] in (0, None)
    shown = call("export", folder / "plan.json", WORKLOAD, "--to", "packed", "--samples", "64",
                 "--no-accuracy", "--out", out)  # fmt: skip
    assert "file / predicted" in shown
    assert "accuracy" not in shown


def test_plans_and_tables_as_text(folder: Path, tmp_path: Path) -> None:
    call("export", folder / "plan.json", "--out", tmp_path / "plan.json")
    chosen = json.loads((tmp_path / "plan.json").read_text())
    assert {name: [*row] for name, row in chosen.items()} == {
        name: [label] for name, label in read_plan(folder / "plan.json").items()
    }
    call("export", folder / "table.npz", "--to", "json", "--out", tmp_path / "table.json")
    scores = json.loads((tmp_path / "table.json").read_text())
    assert set(next(iter(scores.values()))) == {"2", "3", "4", "5", "6", "8"}
    assert {"size_bits", "fisher", "weight_mse"} <= set(next(iter(scores.values()))["4"])


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ("plan TABLE --budget 1", InfeasibleError, "smallest feasible limit is"),
        ("plan TABLE --budget 3 --metric kl", DataError, "kl"),
        ("plan PLAN --budget 3", DataError, "plan.json"),
        ("solve TABLE", DataError, "is a sensitivity table; give --budget"),
        ("frontier TABLE", InstanceError, "holds a sensitivity table; `bitknap build`"),
        ("topk TABLE", InstanceError, "holds a sensitivity table; `bitknap build`"),
        ("solve TABLE --metric fisher", DataError, "--metric goes with --budget"),
        ("apply PLAN W --out x.bin", DataError, "must name a .safetensors file"),
        ("apply TABLE W --out x.safetensors", DataError, "table.npz"),
        ("apply PLAN cifar --out x.safetensors", UnsupportedError, "no workload is named"),
        ("apply CUT W --out x.safetensors", DataError, "cut.json is not a bitknap.plan/1 file"),
        ("evaluate OTHER W", DataError, "other weights"),
        ("export PLAN --out x.onnx", DataError, "name its workload"),
        ("export PLAN --out x.tflite", UnsupportedError, "--to is one of"),
        ("export PLAN --to coffee --out x", UnsupportedError, "'coffee' is not an export target"),
        ("export TABLE --to gguf-types --out x", DataError, "takes a plan; make one with"),
        ("export PLAN --to mps --out x.lp", DataError, "ending in .mps"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, tmp_path: Path, arguments: str, kind: type[BitknapError], words: str
) -> None:
    text = (folder / "plan.json").read_text()
    (tmp_path / "cut.json").write_text(text[:-300])
    document = json.loads(text)
    document["provenance"]["model"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(document))
    places = {"TABLE": folder / "table.npz", "PLAN": folder / "plan.json", "W": WORKLOAD,
              "CUT": tmp_path / "cut.json", "OTHER": tmp_path / "other.json"}  # fmt: skip
    name, *rest = arguments.split()
    with pytest.raises(kind, match=words.replace("(", r"\(")) as caught:
        call(name, *[places.get(part, part) for part in rest])
    assert "\n" not in str(caught.value)
