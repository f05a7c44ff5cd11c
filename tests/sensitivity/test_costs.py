"""Cost models: bit operations, latency files, activation peaks, several resources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import SensitivityTable, bops, latency_ns, sensitivity_table, trace
from bitknap.sensitivity.quantization.grids import ActivationGrids, Grid
from bitknap.sensitivity.tracing.graph import Graph
from bitknap.solvers import solve

from ..bench.tables import made_table, random_table

HEADING = "layer,w_bits,a_bits,ms\n"


@pytest.fixture
def table() -> SensitivityTable:
    return random_table(layers=2)


def lines(table: SensitivityTable, activation: int = 8) -> list[str]:
    return [
        f"{layer.name},{bits},{activation},{0.125 * bits + i}"
        for i, layer in enumerate(table.layers)
        for bits in (2, 4, 8)
    ]


def test_bops_are_macs_times_both_widths(table: SensitivityTable) -> None:
    macs = [layer.macs for layer in table.layers]
    expected = [m * w * 8 for m in macs for w in (2, 4, 8)]
    assert bops(table, 8).tolist() == expected
    assert bops(table, [1, 2, 3, 4, 5, 6])[4] == macs[1] * 4 * 5
    for wrong in (0, [8, 8]):
        with pytest.raises(DataError, match="activation bits must be"):
            bops(table, wrong)


def test_latency_comes_in_whole_nanoseconds(table: SensitivityTable, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    extra = ["l0,16,8,9", "", "l1,3,8,1e-3"]
    path.write_text(HEADING + "\n".join([*reversed(lines(table)), *extra]) + "\n")
    found = latency_ns(table, path)
    assert found.dtype == np.int64
    assert found.tolist() == [250_000, 500_000, 1_000_000, 1_250_000, 1_500_000, 2_000_000]
    path.write_text(HEADING + "\n".join([*lines(table), *lines(table, 4)]))
    assert latency_ns(table, path, 4).tolist() == found.tolist()
    instance = table.with_cost("latency_ns", found).to_instance("fisher", 2_000_000, "latency_ns")
    assert solve(instance).usage == pytest.approx([2_000_000])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[1:], "no line for l0 with w_bits 2 and a_bits 8$"),
        (lambda rows: rows[:4], "no line for l1 with w_bits 4 and a_bits 8, and 1 more"),
        (lambda rows: [*rows, rows[2]], "line 8: l0 with w_bits 8 and a_bits 8 stands twice"),
        (lambda rows: [*rows, "l7,2,8,1"], "line 8: the table has no layer 'l7'"),
        (lambda rows: [*rows, "l1,2,4,1"], "a_bits 4, 8; say which apply"),
        (lambda rows: ["l0,2,8", *rows], "line 2 has 3 columns, expected 4"),
        (lambda rows: ["l0,2.5,8,1", *rows], "line 2: w_bits must be a whole number"),
        (lambda rows: ["l0,2,0,1", *rows], "line 2: a_bits must be a whole number"),
        (lambda rows: ["l0,3,8,fast", *rows], "line 2: ms must be a number"),
        (lambda rows: ["l0,3,8,-1", *rows], "line 2: ms must be a number"),
        (lambda rows: ["l0,3,8,inf", *rows], "line 2: ms must be a number"),
        (lambda rows: [], "the file has a_bits of no line"),
    ],
)
def test_a_flawed_latency_file_names_the_place(
    table: SensitivityTable, tmp_path: Path, change: object, words: str
) -> None:
    assert callable(change)
    path = tmp_path / "t.csv"
    path.write_text(HEADING + "\n".join(change(lines(table))))
    with pytest.raises(DataError, match=f"{path}: .*{words}") as caught:
        latency_ns(table, path)
    assert "\n" not in str(caught.value)


def test_a_latency_file_needs_its_heading(table: SensitivityTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        latency_ns(table, tmp_path / "none.csv")
    path = tmp_path / "t.csv"
    for text in ("", "\n".join(lines(table))):
        path.write_text(text)
        with pytest.raises(DataError, match="expected the heading layer,w_bits,a_bits,ms"):
            latency_ns(table, path)


def pair_table() -> SensitivityTable:
    """Two layers, weights ternary, 4 or float, with activations of 4 bits or in float."""
    draw = np.random.default_rng(0)
    plain = made_table(draw.normal(size=(8, 12)), (30, 50), bits=(2, 2, 4, 4, 32, 32))
    grids = ActivationGrids.of([Grid(4, 0.1, -8, 7), Grid(32)] * 6)
    labels = tuple(f"w{w}a{a}" for w in ("ternary", 4, "float") for a in (4, "float")) * 2
    return replace(plain, labels=labels, activations=grids)


def test_pairs_have_bit_operations_of_their_own() -> None:
    pairs = pair_table()
    expected = [n * w * a for n in (30, 50) for w in (2, 4, 32) for a in (4, 32)]
    assert bops(pairs).tolist() == expected
    assert bops(pairs, 8).tolist() == [n * w * 8 for n in (30, 50) for w in (2, 2, 4, 4, 32, 32)]
    assert pairs.code_bits[:6].tolist() == [48, 48, 120, 120, 960, 960]


def test_latency_is_matched_on_both_widths(tmp_path: Path) -> None:
    pairs, path = pair_table(), tmp_path / "t.csv"
    rows = [
        f"l{i},{w},{a},{i + 1}.{number}"
        for i in (0, 1)
        for number, (w, a) in enumerate(
            (w, a) for w in ("ternary", "4", "32") for a in (4, "float")
        )
    ]
    path.write_text(HEADING + "\n".join(reversed(rows)))
    assert latency_ns(pairs, path).tolist() == [
        (i + 1) * 10**6 + k * 10**5 for i in (0, 1) for k in range(6)
    ]
    with pytest.raises(DataError, match="activation bits of their own"):
        latency_ns(pairs, path, 4)
    path.write_text(HEADING + "\n".join(rows[1:]))
    with pytest.raises(DataError, match=r"no line for l0 with w_bits ternary and a_bits 4$"):
        latency_ns(pairs, path)


def test_several_resources_in_one_instance(table: SensitivityTable) -> None:
    budgets = {"size_bits": table.capacity(4), "bops": 10**9}
    instance = table.to_instance("fisher", budgets)
    assert instance.resources == ("size_bits", "bops")
    assert instance.capacity.tolist() == [table.capacity(4), 10**9]
    assert np.array_equal(instance.weight[1], table.costs["bops"])
    one = table.to_instance("fisher", table.capacity(4))
    assert solve(instance, "brute").objective == solve(one, "brute").objective
    tight = {"size_bits": table.capacity(8), "bops": int(table.costs["bops"][[0, 3]].sum())}
    assert solve(table.to_instance("fisher", tight), "brute").choice == pytest.approx([0, 0])
    with pytest.raises(DataError, match="no resource 'energy'"):
        table.to_instance("fisher", {"energy": 1})
    with pytest.raises(DataError, match="at least one resource"):
        table.to_instance("fisher", {})


class Skip(nn.Module):
    """6 inputs; 40 values, 20 of them skipped over a wide detour."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.out = nn.Linear(6, 20), nn.Linear(30, 2)
        self.detour = nn.Linear(20, 30)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(self.wide(x))
        second = torch.tanh(self.detour(first.view(-1, 4, 5).reshape(-1, 20)))
        return self.out(second) + first[:, :2]


def test_activation_peak_follows_what_is_alive() -> None:
    model = Skip().eval()
    batch = (torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64))
    peak = trace(model, batch, ()).activation_peak()
    # At tanh: relu's 20 kept for the end, detour's 30 read, tanh's 30 written.
    assert (peak.elements, peak.samples) == (3 * (20 + 30 + 30), 3)
    assert peak.step == "tanh"
    assert peak.bits(8) == 8 * 80
    with pytest.raises(UnsupportedError, match="needs sizes"):
        Graph((), (), "torch.fx").activation_peak()


def test_activation_bits_shrink_what_only_layers_read() -> None:
    model = Skip().eval()
    batch = (torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64))
    table = sensitivity_table(model, [batch], metrics=())
    graph = trace(model, batch, table.layers)
    whole = graph.activation_peak().bits(32)
    assert graph.activation_peak_bits({}) == whole == 32 * 80
    # relu's 20 are read by the addition too and stay in float; tanh's 30 by the last layer alone;
    # detour's 30 by tanh, which is not a layer.
    assert graph.activation_peak_bits({"out": 4}) == 32 * 20 + 32 * 30 + 4 * 30
    assert graph.activation_peak_bits({"out": 4, "detour": 4}) == 32 * 20 + 32 * 30 + 4 * 30
