"""Fine-tuning: on the grid, better than before, deterministic, resumed to the same bytes."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from bitknap.bench.finetuning import fine_tune as finetuning
from bitknap.bench.finetuning.fine_tune import FineTunedNetwork, FineTuning, fine_tune
from bitknap.bench.finetuning.quantized_training import QuantizedTraining
from bitknap.bench.job.table_cache import QUANTIZER, traced
from bitknap.bench.workloads.accuracy import Accuracy
from bitknap.bench.workloads.base import Workload
from bitknap.cli import build_app
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import quantized_copy

from .tiny import tiny_workload

PLAN = {"0": 3, "3": 2, "5": 4}
TUNING = FineTuning(epochs=3, learning_rate=0.02)


def tuned(
    workload: Workload, tuning: FineTuning = TUNING, plan: dict[str, int] = PLAN, seed: int = 0
) -> FineTunedNetwork:
    table = traced(workload, workload.calibration(32, 0), (2, 3, 4), 0).table()
    return fine_tune(workload, table.layers, plan, tuning, seed=seed)


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def normalised_workload() -> Workload:
    """The tiny task with batch normalisation, dropout and a layer under two names."""
    torch.manual_seed(0)
    block = nn.Linear(12, 12)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(36, 12), nn.BatchNorm1d(12), block, nn.Dropout(0.3), block,
        nn.ReLU(), nn.Linear(12, 3),
    ).eval()  # fmt: skip
    return replace(tiny_workload(), model=model)


def test_the_start_computes_what_the_plan_computes() -> None:
    workload = tiny_workload()
    table = traced(workload, workload.calibration(32, 0), (2, 3, 4), 0).table()
    model = QuantizedTraining(workload.model, table.layers, PLAN, QUANTIZER)
    plain = quantized_copy(workload.model, table.layers, PLAN, QUANTIZER)
    x = workload.calibration(32, 1)[0][0]
    torch.testing.assert_close(model(x), plain(x))
    torch.testing.assert_close(model.finished()(x), plain(x))


def test_weights_stay_on_the_grid_and_the_loss_falls() -> None:
    workload = tiny_workload()
    before = {name: p.clone() for name, p in workload.model.named_parameters()}
    plan = dict.fromkeys(PLAN, 2)
    table = traced(workload, workload.calibration(32, 0), (2, 3, 4), 0).table()
    start = quantized_copy(workload.model, table.layers, plan, QUANTIZER)
    network = tuned(workload, FineTuning(epochs=6, learning_rate=0.03), plan).network

    def loss(model: nn.Module) -> float:
        batches = workload.calibration(400, 0)
        return float(torch.cat([workload.loss(model(b[0]), b) for b in batches]).mean())

    assert loss(network) < 0.8 * loss(start)
    for layer in plan:
        for channel in network.get_parameter(f"{layer}.weight").flatten(1):
            assert len(channel.unique()) <= 4
    assert all(torch.equal(p, before[n]) for n, p in workload.model.named_parameters())


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    workload = tiny_workload()
    first = tuned(workload, seed=1)
    assert same(first.network, tuned(workload, seed=1).network)
    assert not same(first.network, tuned(workload, seed=2).network)


@pytest.mark.parametrize("input_bits", [None, 4])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, input_bits: int | None
) -> None:
    workload = normalised_workload()
    table = traced(workload, workload.calibration(32, 0), (2, 3), 0).table()
    plan = {layer.name: 3 for layer in table.layers}
    momentum = 0.9 if input_bits else 0.0
    tuning = FineTuning(4, learning_rate=0.05, momentum=momentum, input_bits=input_bits)
    whole = fine_tune(workload, table.layers, plan, tuning)
    partial, epochs = tmp_path / "partial.pt", []
    run = finetuning._epoch

    def interrupted(*arguments: object) -> float:
        epochs.append(arguments[4])
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(finetuning, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(workload, table.layers, plan, tuning, partial=partial)
    resumed = fine_tune(workload, table.layers, plan, tuning, partial=partial)
    assert epochs == [0, 1, 2, 2, 3]
    assert same(whole.network, resumed.network)
    assert whole.losses == resumed.losses
    with pytest.raises(DataError, match="another recipe, seed or data"):
        fine_tune(workload, table.layers, plan, tuning, seed=5, partial=partial)
    partial.write_bytes(b"damaged")
    with pytest.raises(DataError, match="not a saved training"):
        fine_tune(workload, table.layers, plan, tuning, partial=partial)


def test_batch_normalisation_trains_and_shared_layers_stay_shared() -> None:
    workload = normalised_workload()
    table = traced(workload, workload.calibration(32, 0), (2, 3), 0).table()
    plan = {layer.name: 3 for layer in table.layers}
    network = fine_tune(workload, table.layers, plan, TUNING).network
    assert network.get_parameter("3.weight") is network.get_parameter("5.weight")
    assert network.get_submodule("3") is network.get_submodule("5")
    assert not torch.equal(network.get_buffer("2.running_mean"), torch.zeros(12))
    assert not any(module.training for module in network.modules())


def test_inputs_take_no_more_values_than_their_bits_allow() -> None:
    workload = tiny_workload()
    seen: dict[str, Tensor] = {}
    result = tuned(workload, FineTuning(epochs=1, input_bits=3))
    for name in PLAN:
        layer = result.network.get_submodule(name)
        layer.register_forward_pre_hook(lambda m, args, n=name: seen.update({n: args[0]}))
    result.network(workload.calibration(32, 1)[0][0])
    assert all(len(values.unique()) <= 8 for values in seen.values())
    assert len(seen) == 3


def test_pairs_name_the_bits_of_their_input() -> None:
    workload = tiny_workload()
    table = traced(workload, workload.calibration(32, 0), (2, 3), 0).table()
    plan = {"0": "w3a2", "3": "2", "5": "float"}
    network = fine_tune(workload, table.layers, plan, FineTuning()).network
    seen: dict[str, int] = {}
    for name in plan:
        layer = network.get_submodule(name)
        layer.register_forward_pre_hook(
            lambda m, args, n=name: seen.update({n: len(args[0].unique())})
        )
    network(torch.cat([x for x, _ in workload.calibration(200, 1)]))
    assert seen["0"] <= 4
    assert seen["3"] > 16
    assert len(network.get_parameter("0.weight").unique()) <= 4 * 8
    assert len(network.get_parameter("5.weight").unique()) == 48


def test_what_cannot_be_tuned_is_refused() -> None:
    workload = tiny_workload()
    with pytest.raises(UnsupportedError, match="no training batches"):
        tuned(replace(workload, training=None))
    with pytest.raises(DataError, match="one batch"):
        tuned(replace(workload, training=lambda seed: []))
    with pytest.raises(DataError, match="loss of epoch 1 is nan"):
        tuned(workload, FineTuning(learning_rate=1e30))
    for fields in ({"epochs": 0}, {"input_bits": 1}, {"learning_rate": 0.0}):
        with pytest.raises(DataError):
            FineTuning(**fields)  # type: ignore[arg-type]


def test_the_command_writes_network_and_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_tuned.py").write_text("from tests.bench.tiny import tiny_workload as build\n")
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    arguments = ["finetune", "mine_tuned:build", "--plan", "plan.json", "--out", "tuned"]
    outcome = CliRunner().invoke(build_app("finetune"), [*arguments, "--input-bits", "4"])
    assert outcome.exit_code == 0, outcome.output
    record = json.loads((tmp_path / "tuned" / "finetuning.json").read_text())
    assert record["format"] == "bitknap.finetuning/1"
    assert set(record["accuracy"]) == {"float", "before", "after"}
    assert Accuracy(**record["accuracy"]["after"]).value > 0.6
    assert set(record["input_steps"]) == set(PLAN)
    state = safetensors.torch.load_file(tmp_path / "tuned" / "network.safetensors")
    network = copy.deepcopy(tiny_workload().model)
    network.load_state_dict(state)
    assert len(state["0.weight"].unique()) <= 4 * 8
    assert not (tmp_path / "tuned" / "partial.pt").exists()
    (tmp_path / "plan.json").write_text(json.dumps(PLAN | {"0": "three"}))
    outcome = CliRunner().invoke(build_app("finetune"), arguments)
    assert isinstance(outcome.exception, DataError)
