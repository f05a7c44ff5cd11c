"""Rounding in order, against plain references in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.plans import Plan, apply_plan
from bitknap.plans.repair import sequential
from bitknap.plans.repair.base import hooked
from bitknap.plans.repair.rounding import round_rows
from bitknap.problems import UnsupportedError
from bitknap.sensitivity import Quantizer, SensitivityTable


class Attention(nn.Module):
    """Three layers read the same input; one runs twice; one only where inputs are long."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(6, 6) for _ in range(3))
        self.twice, self.seldom, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.query(x) @ self.key(x).mT).softmax(dim=-1)
        x = self.twice(self.twice(weights @ self.value(x)).tanh())
        if x.shape[1] > 4:
            x = x + self.seldom(x)
        out: Tensor = self.head(x.mean(dim=1))
        return out


def case(lengths: tuple[int, ...] = (5, 3, 6)) -> tuple[nn.Module, list[Any]]:
    torch.manual_seed(0)
    model = Attention().double().eval()
    batches = [
        (torch.randn(8, length, 6, dtype=torch.float64), torch.randint(3, (8,)))
        for length in lengths
    ]
    return model, batches


def made(model: nn.Module, batches: list[Any], bits: tuple[Any, ...] = (2, 4)) -> SensitivityTable:
    return bitknap.sensitivity_table(model, batches, metrics=["weight_mse"], bits=list(bits))


def error(one: nn.Module, other: nn.Module, batches: list[Any]) -> float:
    with torch.no_grad():
        return sum(float((one(x) - other(x)).square().sum()) for x, _ in batches)


def read(network: nn.Module, name: str, batches: list[Any]) -> list[Tensor | None]:
    """What a layer reads in each batch."""
    found: list[Tensor | None] = []
    for x, _ in batches:
        seen: list[Tensor] = []
        with hooked({name: network.get_submodule(name)}, lambda n, m, i, o, s=seen: s.append(i)):
            network(x)
        found.append(seen[0].flatten(0, -2) if seen else None)
    return found


def reference(model: nn.Module, table: SensitivityTable, bits: int, batches: list[Any]) -> Any:
    """Layer after layer by whole passes, from the plain quantized network."""
    network = apply_plan(model, table, table.uniform(str(bits)))
    for name in ("query", "key", "value", "seldom", "head"):
        pairs = zip(read(model, name, batches), read(network, name, batches), strict=True)
        kept = [(x.float(), q.float()) for x, q in pairs if x is not None and q is not None]
        x, q = (torch.cat(values) for values in zip(*kept, strict=True))
        both, own = (x.mT @ q).double() / len(x), (q.mT @ q).double() / len(x)
        damping = 0.1 * own.diagonal().mean() * torch.eye(6, dtype=torch.float64)
        weight = model.get_parameter(f"{name}.weight").detach()
        target = weight @ (both + damping) @ (own + damping).inverse()
        rounded = round_rows(weight, own[None], Quantizer(), bits, target)
        network.get_parameter(f"{name}.weight").detach().copy_(rounded)
    return network


@pytest.mark.parametrize("bits", [2, 4])
def test_layers_are_rounded_in_order_by_what_the_quantized_network_reads(bits: int) -> None:
    model, batches = case()
    table = made(model, batches)
    want = reference(model, table, bits, batches)
    got = apply_plan(
        model, table, table.uniform(str(bits)), calibration=batches, repair="sequential"
    )
    plain = apply_plan(model, table, table.uniform(str(bits)))
    assert error(want, model, batches) < error(plain, model, batches)
    for name in ("query", "key", "value", "seldom", "head", "twice"):
        one, other = (n.get_parameter(f"{name}.weight") for n in (got, want))
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9), name
    assert torch.equal(got.twice.weight, plain.twice.weight)


def test_it_makes_up_for_errors_that_rounding_cannot_see() -> None:
    """Two linear layers in a row: the second one knows what the first one lost."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)).double().eval()
    batches = [(torch.randn(64, 8, dtype=torch.float64), torch.randint(8, (64,)))]
    table = made(model, batches, (2, 8))
    plan = {"0": "2", "1": "8"}
    errors = [
        error(apply_plan(model, table, plan, calibration=batches, repair=repair), model, batches)
        for repair in ("rounding", "sequential")
    ]
    assert errors[1] < 0.8 * errors[0]


def test_outputs_are_never_further_away(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = case()
    table = made(model, batches)
    plain = apply_plan(model, table, table.uniform("2"))
    targets = sequential._target
    monkeypatch.setattr(sequential, "_target", lambda *given: -targets(*given))
    got = apply_plan(model, table, table.uniform("2"), calibration=batches, repair="sequential")
    for one, other in zip(got.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_float_layers_and_networks_with_batch_norm_stay() -> None:
    model, batches = case()
    table = made(model, batches, (2, "float"))
    plan = dict(table.uniform("2"), head="float")
    got = apply_plan(model, table, plan, calibration=batches, repair="sequential")
    assert torch.equal(got.head.weight, model.head.weight)
    torch.manual_seed(2)
    normed = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()
    data = [(torch.randn(8, 4), torch.randint(3, (8,)))]
    table = made(normed, data)
    plain = apply_plan(normed, table, table.uniform("2"))
    got = apply_plan(normed, table, table.uniform("2"), calibration=data, repair="sequential")
    assert torch.equal(got[0].weight, plain[0].weight)
    affine = Quantizer.parse("affine,scale=minmax")
    table = bitknap.sensitivity_table(
        model, batches, metrics=["weight_mse"], bits=[2, 4], quantizer=affine
    )
    with pytest.raises(UnsupportedError, match="symmetric quantizer"):
        apply_plan(model, table, table.uniform("2"), calibration=batches, repair="sequential")


def test_convolutions_in_groups_are_covered_and_the_file_holds_them(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3)
    ).eval()
    batches = [(torch.randn(16, 2, 6, 6), torch.randint(3, (16,))) for _ in range(2)]
    table = made(model, batches)
    plan = Plan(table.uniform("2"), table)
    networks = [
        plan.apply(model, calibration=batches, repair=repair)
        for repair in ("rounding", "rounding,sequential")
    ]
    errors = [error(network, model, batches) for network in networks]
    assert errors[1] < errors[0]
    plan.pack(model, tmp_path / "p", calibration=batches, repair="rounding,sequential")
    loaded = bitknap.load_packed(model, tmp_path / "p")
    assert error(loaded, networks[1], batches) == 0


def test_the_same_bytes_again_and_nothing_is_left_behind() -> None:
    model, batches = case()
    table = made(model, batches)
    one, other = (
        apply_plan(model, table, table.uniform("2"), calibration=batches) for _ in range(2)
    )
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not any(m._forward_pre_hooks for n in (model, one) for m in n.modules())


class Routed(nn.Module):
    """Each sample goes to one of two experts; a layer is called by keyword, one in place."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.head = nn.Linear(4, 2), nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.gate(x).argmax(dim=1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            if (chosen == number).any():
                out[chosen == number] = expert(x[chosen == number])
        out.tanh_()
        logits: Tensor = self.head(input=out)
        return logits


def test_layers_that_read_other_samples_or_are_called_by_keyword() -> None:
    torch.manual_seed(4)
    model = Routed().eval()
    batches = [(torch.randn(9, 4), torch.randint(3, (9,))) for _ in range(3)]
    table = made(model, batches)
    plain = apply_plan(model, table, table.uniform("2"), calibration=batches, repair="rounding")
    got = apply_plan(model, table, table.uniform("2"), calibration=batches)
    assert error(got, model, batches) <= error(plain, model, batches)
