"""Repairs against plain references in float64."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.plans import Plan, apply_plan
from bitknap.plans.repair import REPAIRS, bias
from bitknap.plans.repair.rounding import round_rows
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import Quantizer, SensitivityTable


class Normalised(nn.Module):
    """Convolutions, batch norm, a head, and a batch norm that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, groups=2, bias=True)
        self.normed = nn.BatchNorm2d(4)
        self.unused = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        x = self.normed(self.second(x)).relu()
        out: Tensor = self.head(x.mean(dim=(2, 3)))
        return out


def network() -> nn.Module:
    torch.manual_seed(0)
    model = Normalised().double()
    with torch.no_grad():
        for norm in (model.norm, model.normed, model.unused):
            norm.running_mean += torch.rand(4).double()
    return model.eval()


def data(count: int = 3, size: int = 8) -> list[Any]:
    g = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(size, 2, 6, 6, generator=g, dtype=torch.float64),
            torch.randint(3, (size,), generator=g),
        )
        for _ in range(count)
    ]


def made(model: nn.Module, batches: list[Any]) -> SensitivityTable:
    return bitknap.sensitivity_table(model, batches, metrics=["fisher"], bits=[2, 4])


def changed(one: nn.Module, other: nn.Module) -> set[str]:
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return {name for (name, a), b in pairs if not torch.equal(a, b)}


def averages(model: nn.Module, batches: list[Any]) -> dict[str, Tensor]:
    """PyTorch's cumulative averages of the batches, by the names of the buffers."""
    copied = copy.deepcopy(model)
    for norm in (copied.norm, copied.normed):
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for x, _ in batches:
            copied(x)
    return dict(copied.named_buffers())


def test_batch_norm_statistics_move_by_what_quantization_changes() -> None:
    model, batches = network(), data()
    table = made(model, batches)
    plan = table.uniform("2")
    plain = apply_plan(model, table, plan)
    repaired = apply_plan(model, table, plan, calibration=batches, repair="batch_norm")
    floats, found = averages(model, batches), averages(plain, batches)
    for norm in ("norm", "normed"):
        own, got = getattr(model, norm), getattr(repaired, norm)
        m, v = f"{norm}.running_mean", f"{norm}.running_var"
        mean = own.running_mean + found[m] - floats[m]
        var = (own.running_var + own.eps) * (found[v] + own.eps) / (floats[v] + own.eps) - own.eps
        assert torch.allclose(got.running_mean, mean, rtol=1e-12, atol=1e-15)
        assert torch.allclose(got.running_var, var, rtol=1e-12, atol=1e-15)
    assert changed(plain, repaired) == {
        f"{norm}.{name}" for norm in ("norm", "normed") for name in ("running_mean", "running_var")
    }
    assert not any(module.training for module in (*repaired.modules(), *model.modules()))
    assert repaired.norm.momentum == model.norm.momentum == 0.1


def test_where_quantization_changes_nothing_the_statistics_stay() -> None:
    model, batches = network(), data()
    with torch.no_grad():
        model.norm.running_var *= 3  # far from that of the data
    table = bitknap.sensitivity_table(model, batches, metrics=["fisher"], bits=[2, "float"])
    plan = table.uniform("float")
    assert not changed(model, apply_plan(model, table, plan, calibration=batches))


def test_larger_batches_weigh_more_in_the_statistics() -> None:
    model, (whole,) = network(), data(1, 12)
    table = made(model, [whole])
    plan = table.uniform("4")
    cut = [(whole[0][:9], whole[1][:9]), (whole[0][9:], whole[1][9:])]
    found = [
        apply_plan(model, table, plan, calibration=batches, repair="batch_norm").norm.running_mean
        for batches in ([whole], cut)
    ]
    assert torch.allclose(*found, rtol=1e-12, atol=0)


def test_one_value_per_channel_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double().eval()
    batches = [(torch.randn(1, 3, dtype=torch.float64), torch.zeros(1, dtype=torch.long))]
    table = made(model, batches)
    with pytest.raises(UnsupportedError, match="one value per channel"):
        apply_plan(model, table, table.uniform("2"), calibration=batches)


def test_biases_restore_the_mean_of_every_layer() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 3)
    )
    model = model.double().eval()
    batches = [(torch.randn(16, 2, 6).double(), torch.randint(3, (16,)))]
    table = made(model, batches)
    plain = apply_plan(model, table, table.uniform("2"))
    repaired = apply_plan(model, table, table.uniform("2"), calibration=batches, repair="bias")
    assert changed(plain, repaired) == {"0.bias", "3.bias", "5.bias"}
    x = batches[0][0]
    for depth in (1, 4, 6):
        with torch.no_grad():
            means = [m[:depth](x).mean(dim=(0, 2) if depth == 1 else 0) for m in (model, repaired)]
        assert torch.allclose(*means, rtol=1e-10, atol=1e-12)


def test_biases_that_take_outputs_further_away_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double().eval()
    batches = [(torch.randn(16, 4).double(), torch.randint(3, (16,))) for _ in range(2)]
    table = made(model, batches)
    plan = table.uniform("2")
    plain = apply_plan(model, table, plan)
    assert changed(plain, apply_plan(model, table, plan, calibration=batches, repair="bias"))
    shifts = bias._shifts

    def turned(*given: Any) -> dict[str, Tensor]:
        return {name: -value for name, value in shifts(*given).items()}

    monkeypatch.setattr(bias, "_shifts", turned)
    assert not changed(plain, apply_plan(model, table, plan, calibration=batches, repair="bias"))


def test_layers_that_lead_into_batch_norm_keep_their_biases() -> None:
    model, batches = network(), data()
    table = made(model, batches)
    plain = apply_plan(model, table, table.uniform("2"))
    repaired = apply_plan(model, table, table.uniform("2"), calibration=batches, repair="bias")
    assert changed(plain, repaired) == {"head.bias"}


def rounded_by_least_squares(
    weight: Tensor, moment: Tensor, quantizer: Quantizer, bits: int
) -> Tensor:
    """The rest of a row solves its least-squares problem after each column is rounded."""
    low, high = quantizer.codes(bits)
    _, scale = quantizer.encode(weight, bits)
    damped = moment + 0.01 * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64)
    order = damped.diagonal().argsort(descending=True, stable=True).tolist()
    out = weight.clone()
    for row, step in zip(out, scale[:, 0], strict=True):
        now = row.clone()
        for place, j in enumerate(order):
            row[j] = (now[j] / step).round().clamp(low, high) * step
            rest = order[place + 1 :]
            if rest:
                error = now[j] - row[j]
                now[rest] += torch.linalg.solve(
                    damped[rest][:, rest], damped[rest][:, [j]] * error
                )[:, 0]
    return out


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_is_least_squares_column_by_column(bits: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 7, generator=g, dtype=torch.float64)
    inputs = torch.randn(30, 7, generator=g, dtype=torch.float64) @ torch.randn(
        7, 7, generator=g, dtype=torch.float64
    )
    moment = inputs.mT @ inputs / 30
    quantizer = Quantizer()
    got = round_rows(weight, moment[None], quantizer, bits)
    want = rounded_by_least_squares(weight, moment, quantizer, bits)
    assert torch.allclose(got, want, rtol=1e-9, atol=1e-12)


def test_rounding_lowers_the_error_of_outputs_and_stays_on_the_grid() -> None:
    model, batches = network(), data()
    table = made(model, batches)
    x = batches[0][0]
    plain = apply_plan(model, table, table.uniform("2"))
    repaired = apply_plan(model, table, table.uniform("2"), calibration=batches, repair="rounding")
    assert "second.weight" in changed(plain, repaired)
    assert changed(plain, repaired) <= {"first.weight", "second.weight", "head.weight"}
    with torch.no_grad():
        errors = [float((m.first(x) - model.first(x)).square().sum()) for m in (plain, repaired)]
        inner = model.norm(model.first(x)).relu()
        grouped = [
            float((m.second(inner) - model.second(inner)).square().sum()) for m in (plain, repaired)
        ]
    assert errors[1] <= errors[0]
    assert grouped[1] < grouped[0]
    _, scale = Quantizer().encode(model.second.weight, 2)
    codes = repaired.second.weight.detach().flatten(1) / scale
    assert torch.allclose(codes, codes.round(), atol=1e-9)
    assert set(codes.round().unique().tolist()) <= {-2.0, -1.0, 0.0, 1.0}


@pytest.mark.parametrize(
    "quantizer",
    ["symmetric", "symmetric,scale=minmax", "symmetric,narrow", "symmetric,tensor", "group=8"],
)
@pytest.mark.parametrize("zero", ["channel", "group", "layer", "inputs"])
def test_bug_rounding_a_channel_of_zeros_gave_nan(
    quantizer: str, zero: str, tmp_path: Path
) -> None:
    model = network().float()
    with torch.no_grad():
        if zero == "channel":
            model.second.weight[2] = 0
        elif zero == "group":
            model.second.weight.view(4, -1)[:, :8] = 0
        elif zero == "layer":
            model.second.weight.zero_()
        else:
            model.norm.weight[1] = model.norm.bias[1] = 0
    batches = [(x.float(), y) for x, y in data()]
    table = bitknap.sensitivity_table(
        model, batches, metrics=["weight_mse"], bits=[2, 4], quantizer=Quantizer.parse(quantizer)
    )
    plan = Plan(table.uniform("2"), table)
    repaired = plan.apply(model, calibration=batches)
    assert all(value.isfinite().all() for value in repaired.state_dict().values())
    plan.pack(model, tmp_path / "model.safetensors", calibration=batches)
    loaded = bitknap.load_packed(network().float(), tmp_path / "model.safetensors")
    assert torch.equal(loaded(batches[0][0]), repaired(batches[0][0]))


def test_repairs_that_leave_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = network(), data()
    table = made(model, batches)

    def broken(weight: Tensor, *_: Any) -> Tensor:
        return weight * float("nan")

    monkeypatch.setattr("bitknap.plans.repair.rounding.round_rows", broken)
    with pytest.raises(DataError, match="leaves NaN or infinite entries in first"):
        apply_plan(model, table, table.uniform("2"), calibration=batches)


def test_repairs_are_named_in_order_and_others_refused() -> None:
    model, batches = network(), data()
    table = made(model, batches)
    plan = table.uniform("2")
    with pytest.raises(UnsupportedError, match="no repair is named 'polish'"):
        apply_plan(model, table, plan, calibration=batches, repair="polish")
    with pytest.raises(DataError, match="needs calibration data"):
        apply_plan(model, table, plan, repair="batch_norm")
    assert not changed(
        apply_plan(model, table, plan),
        apply_plan(model, table, plan, calibration=batches, repair="none"),
    )
    assert REPAIRS.names() == ["batch_norm", "bias", "rounding", "sequential"]


def test_repairs_change_neither_model_nor_each_other() -> None:
    model, batches = network(), data()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = made(model, batches)
    for repair in REPAIRS.names():
        apply_plan(model, table, table.uniform("2"), calibration=batches, repair=repair)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_bug_applying_in_training_mode_changed_the_statistics_of_the_network() -> None:
    model, batches = network(), data()
    table = made(model, batches)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UnsupportedError, match="must be in evaluation mode"):
        apply_plan(model, table, table.uniform("2"), calibration=batches)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_auto_leaves_rounding_out_where_weights_have_zero_points() -> None:
    model, batches = network(), data()
    affine = Quantizer.parse("affine,scale=minmax")
    table = bitknap.sensitivity_table(
        model, batches, metrics=["fisher"], bits=[2, 4], quantizer=affine
    )
    plan = table.uniform("2")
    plain = apply_plan(model, table, plan)
    assert not {
        name
        for name in changed(plain, apply_plan(model, table, plan, calibration=batches))
        if name.endswith("weight")
    }
    with pytest.raises(UnsupportedError, match="symmetric quantizer"):
        apply_plan(model, table, plan, calibration=batches, repair="rounding")


def test_a_plan_of_float_layers_and_an_unused_layer_is_repaired() -> None:
    model, batches = network(), data()
    table = bitknap.sensitivity_table(model, batches, metrics=["fisher"], bits=[2, "float"])
    plan = dict(table.uniform("2"), first="float")
    repaired = apply_plan(model, table, plan, calibration=batches)
    assert torch.equal(repaired.first.weight, model.first.weight)
