"""Activation grids, scores, pairs and applied plans against dense float64 autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.plans import apply_plan
from bitknap.problems import DataError, UnsupportedError
from bitknap.sensitivity import (
    METRICS,
    ActivationQuantizer,
    LayerPolicy,
    Quantizer,
    SensitivityTable,
    bops,
    load_table,
    quantized_copy,
    save_table,
    sensitivity_table,
)
from bitknap.sensitivity.quantization.activations import quantized
from bitknap.sensitivity.quantization.grids import Grid
from bitknap.sensitivity.tracing.capture import Watch, frozen

from .networks import NETWORKS, logits, reference_scores

BITS = (2, 8)
PAIRS = ActivationQuantizer((3, 8, "float"))
Step = Callable[[str, Tensor], Tensor]


def as_it_is(name: str, value: Tensor) -> Tensor:
    return value


class Mixed(nn.Module):
    """Every kind of input: shared by two layers, read twice, inside attention, tied, an image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.skip = nn.Conv2d(4, 4, 1)
        self.twice = nn.Linear(4, 4)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
        self.embed = nn.Embedding(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        x = torch.tanh(self.depthwise(x)) + self.skip(x)
        x = x.flatten(2).transpose(1, 2)
        x = self.twice(torch.tanh(self.twice(x)))
        x = x + self.embed(torch.arange(x.shape[1]).expand(len(x), -1) % 3)
        x = x + self.attend(x, x, x, need_weights=False)[0]
        return F.linear(x.mean(dim=1), self.embed.weight)

    def explicit(self, x: Tensor, step: Step) -> Tensor:
        """The same, each layer's input passed through ``step`` where it is read."""
        x = torch.relu(self.conv(step("conv", x)))
        x = torch.tanh(self.depthwise(step("depthwise", x))) + self.skip(step("skip", x))
        x = x.flatten(2).transpose(1, 2)
        x = self.twice(step("twice", torch.tanh(self.twice(step("twice", x)))))
        x = x + self.embed(torch.arange(x.shape[1]).expand(len(x), -1) % 3)
        at = self.attend
        read = step("attend.in_proj_weight", x)
        parts = F.linear(read, at.in_proj_weight, at.in_proj_bias).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (2, 2)).transpose(1, 2) for part in parts)
        mixed = torch.softmax(q @ k.mT / 2**0.5, dim=-1) @ v
        x = x + at.out_proj(step("attend.out_proj", mixed.transpose(1, 2).flatten(2)))
        return F.linear(step("embed", x.mean(dim=1)), self.embed.weight)


@pytest.fixture(scope="module")
def mixed() -> tuple[Mixed, list[tuple[Tensor, Tensor]]]:
    torch.manual_seed(1)
    model = Mixed().double().eval()
    with torch.no_grad():
        model.attend.in_proj_weight.normal_(std=0.7)
    batches = [
        (torch.randn(n, 2, 4, 3, dtype=torch.float64), torch.randint(3, (n,))) for n in (3, 2)
    ]
    return model, batches


def on(grid: Grid, value: Tensor) -> Tensor:
    if not grid.scale:
        return value
    return (value / grid.scale).round().clamp(grid.low, grid.high) * grid.scale


def grids_of(table: SensitivityTable) -> dict[str, list[Grid]]:
    assert table.activations is not None
    return {
        layer.name: [table.activations.at(int(table.offsets[i]) + k) for k in range(3)]
        for i, layer in enumerate(table.layers)
    }


def reference_activation_scores(
    model: Mixed, batches: list[tuple[Tensor, Tensor]], grids: Mapping[str, list[Grid]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(N, L, A): a zero is added at each use; its gradient is that of the use alone."""
    rows = []
    for x, y in batches:
        for n in range(len(x)):
            uses: list[tuple[str, Tensor, Tensor]] = []

            def step(name: str, value: Tensor, uses: Any = uses) -> Tensor:
                zero = torch.zeros_like(value, requires_grad=True)
                uses.append((name, value.detach(), zero))
                return value + zero

            loss = F.cross_entropy(model.explicit(x[n : n + 1], step), y[n : n + 1])
            slopes = torch.autograd.grad(loss, [zero for _, _, zero in uses])
            sums = {name: np.zeros(3) for name in grids}
            for (name, value, _), slope in zip(uses, slopes, strict=True):
                for k, grid in enumerate(grids[name]):
                    sums[name][k] += float(((on(grid, value) - value) * slope).sum())
            rows.append([sums[name] for name in grids])
    return np.array(rows)


def test_pair_scores_add_weights_and_activations(mixed: Any) -> None:
    model, batches = mixed
    table = sensitivity_table(model, batches, bits=BITS, activations=PAIRS)
    names = [layer.name for layer in table.layers]
    assert {"conv", "twice", "attend.in_proj_weight", "attend.out_proj", "embed"} <= set(names)
    assert table.labels[:6] == ("w2a3", "w2a8", "w2afloat", "w8a3", "w8a8", "w8afloat")
    assert table.activation_bits[:6].tolist() == [3, 8, 32] * 2
    acts = reference_activation_scores(model, batches, grids_of(table))
    assert np.abs(acts[:, :, :2]).max(axis=0).min() > 0
    weights = reference_scores(model, batches, table.layers, Quantizer(), BITS).numpy()
    expected = weights.reshape(5, -1, 2, 1) + acts[:, :, None, :]
    found = table.scores["fisher"].reshape(expected.shape)
    scale = np.abs(expected).max(axis=0, keepdims=True)
    assert (np.abs(found - expected) / scale).max() < 1e-9
    assert table.omega["fisher"] == pytest.approx(
        (expected.reshape(5, -1) ** 2).mean(axis=0) / 2, rel=1e-9
    )
    plain = sensitivity_table(model, batches, bits=BITS).scores["fisher"]
    assert found[:, :, :, 2].reshape(5, -1) == pytest.approx(plain, rel=1e-9, abs=1e-15)


def test_pairs_are_measured_by_quantizing_both(mixed: Any) -> None:
    model, batches = mixed
    table = sensitivity_table(
        model, batches, metrics=("loss", "kl", "first_order"), bits=BITS, activations=PAIRS
    )
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.no_grad():
        before = F.cross_entropy(model(x), y)
        for i, layer in enumerate(table.layers):
            for item in range(table.offsets[i], table.offsets[i + 1], 2):
                grid = table.activations.at(item)  # type: ignore[union-attr]

                def step(name: str, value: Tensor, layer: Any = layer, grid: Any = grid) -> Tensor:
                    return on(grid, value) if name == layer.name else value

                changed = quantized_copy(model, table.layers, {layer.name: table.labels[item]})
                after = F.cross_entropy(changed.explicit(x, step), y)
                assert table.omega["loss"][item] == pytest.approx(float(after - before), abs=1e-12)
    plain = sensitivity_table(model, batches, metrics=("loss",), bits=BITS).omega["loss"]
    assert table.omega["loss"][2::3] == pytest.approx(plain, abs=1e-13)


def test_an_applied_plan_quantizes_weights_and_inputs(mixed: Any) -> None:
    model, batches = mixed
    table = sensitivity_table(model, batches, bits=BITS, activations=PAIRS)
    labels = ("w2a3", "w8a8", "w2afloat", "w8a3")
    plan = {layer.name: labels[i % 4] for i, layer in enumerate(table.layers)}
    applied = apply_plan(model, table, plan)
    assert type(applied) is Mixed
    weights = quantized_copy(model, table.layers, plan)
    items = dict(zip(plan, table.positions(plan).tolist(), strict=True))
    x = batches[0][0]

    def step(name: str, value: Tensor) -> Tensor:
        return on(table.activations.at(items[name]), value)  # type: ignore[union-attr]

    expected = weights.explicit(x, step)  # type: ignore[operator]
    assert torch.allclose(applied(x), expected, rtol=1e-10)
    assert not torch.allclose(weights(x), expected, rtol=1e-3)
    with pytest.raises(DataError, match="has no choice 'w4a8'"):
        apply_plan(model, table, {**plan, "conv": "w4a8"})
    transformer = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True).eval()
    data = [(torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64))]
    some = sensitivity_table(
        transformer, data, bits=(8,), activations=ActivationQuantizer((2,)),
        loss_fn=lambda output, batch: output.flatten(1).square().sum(dim=1),
    )  # fmt: skip
    with torch.no_grad():
        low = apply_plan(transformer, some, dict.fromkeys((la.name for la in some.layers), "w8a2"))
        assert not torch.allclose(low(data[0][0]), transformer(data[0][0]), rtol=0.02)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("network", NETWORKS)
def test_scores_are_slopes_along_the_change_of_the_inputs(network: Any) -> None:
    """With a + t (Q(a) - a) in place of a, the score is the loss's slope in t at 0."""
    model, batches = network()
    table = sensitivity_table(model, batches, bits=(8,), activations=ActivationQuantizer((4,)))
    plain = sensitivity_table(model, batches, bits=(8,))
    found = table.scores["fisher"] - plain.scores["fisher"]
    weights = {layer.name: model.get_parameter(layer.parameter) for layer in table.layers}
    place = {id(weight): i for i, weight in enumerate(weights.values())}
    with frozen(model):
        for row, x, y in ((0, *batches[0]), (4, *batches[1])):
            t = torch.zeros(len(weights), dtype=torch.float64, requires_grad=True)

            def tap(weight: Tensor, inputs: Tensor, t: Tensor = t) -> Tensor:
                i = place[id(weight)]
                gap = on(table.activations.at(i), inputs) - inputs  # type: ignore[union-attr]
                return inputs + t[i] * gap.detach()

            with Watch({id(w): w for w in weights.values()}, lambda k, u, run: run(), tap):
                loss = F.cross_entropy(logits(model(x[:1])), y[:1])
            (slope,) = torch.autograd.grad(loss, t)
            assert found[row] == pytest.approx(slope.numpy(), rel=1e-8, abs=1e-13)
    kinds = [layer.kind for layer in table.layers]
    assert all(
        found[:, i].any() for i, k in enumerate(kinds) if k not in ("embedding", "broadcast")
    )


def test_a_pure_embedding_has_no_activation_to_quantize() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)).double().eval()
    data = [(torch.randint(5, (4, 2)), torch.randint(3, (4,)))]
    table = sensitivity_table(model, data, bits=(4,), activations=ActivationQuantizer((4, 8)))
    assert table.omega["fisher"][0] == table.omega["fisher"][1]
    assert table.omega["fisher"][2] != table.omega["fisher"][3]
    assert table.activations is not None
    assert table.activations.scale[:2].tolist() == [0, 0]
    sizes = table.costs["size_bits"].tolist()
    assert sizes == [20 * 4 + 5 * 32] * 2 + [24 * 4 + 3 * 32 + 32 + a for a in (4, 8)]
    assert table.costs["bops"].tolist() == [0, 0, 24 * 4 * 4, 24 * 4 * 8]
    assert bops(table).tolist() == table.costs["bops"].tolist()


class Ends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


def calibrated(words: str, values: Tensor, bits: int = 4) -> list[Grid]:
    """Grids of a layer that reads the values, in two batches, and of one behind a ReLU."""
    torch.manual_seed(0)
    model = Ends().eval()
    nn.init.ones_(model.first.weight)
    nn.init.zeros_(model.first.bias)
    data = [(part[:, None], torch.zeros(len(part), dtype=torch.int64)) for part in values.chunk(2)]
    quantizer = ActivationQuantizer.parse(words, (bits,))
    table = sensitivity_table(model, data, metrics=(), bits=(8,), activations=quantizer)
    assert table.activations is not None
    return [table.activations.at(0), table.activations.at(1)]


VALUES = torch.from_numpy(np.random.default_rng(0).laplace(size=4000)).float() + 0.2


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_range_of_affine_grids_is_torch_s(bits: int) -> None:
    from torch.ao.quantization import MinMaxObserver

    for grid, values in zip(
        calibrated("affine", VALUES, bits), (VALUES, VALUES.relu()), strict=True
    ):
        observer = MinMaxObserver(torch.quint8, quant_min=0, quant_max=2**bits - 1, eps=1e-12)
        observer(values)
        scale, zero = observer.calculate_qparams()
        assert grid.scale == pytest.approx(float(scale), rel=1e-6)
        assert -grid.low == int(zero)
        assert grid.high - grid.low == 2**bits - 1
        expected = torch.fake_quantize_per_tensor_affine(
            values, grid.scale, -grid.low, 0, 2**bits - 1
        )
        assert torch.equal(quantized(values, grid), expected)


def test_symmetric_grids_use_all_codes_of_what_is_never_negative() -> None:
    signed, positive = calibrated("symmetric", VALUES)
    assert (signed.low, signed.high) == (-8, 7)
    assert signed.scale == pytest.approx(float(VALUES.abs().max()) / 7, rel=1e-6)
    assert (positive.low, positive.high) == (0, 15)
    assert positive.scale == pytest.approx(float(VALUES.max()) / 15, rel=1e-6)


def test_percentiles_and_squared_errors() -> None:
    bin_width = float(VALUES.max() - VALUES.min()) / 2048
    grid = calibrated("percentile=98", VALUES)[0]
    low, high = np.quantile(VALUES.numpy(), [0.01, 0.99])
    assert 15 * grid.scale == pytest.approx(high - low, abs=4 * bin_width)

    def error(grid: Grid) -> float:
        return float((on(grid, VALUES.double()) - VALUES.double()).square().mean())

    ranged, least = calibrated("minmax", VALUES)[0], calibrated("scale=mse", VALUES)[0]
    ends = np.linspace(0.02, 1, 50)
    tried = [
        Grid(4, (b * float(VALUES.max()) - a * float(VALUES.min())) / 15, -zero, 15 - zero)
        for a in ends
        for b in ends
        if (zero := round(15 * a / (a - b * float(VALUES.max() / VALUES.min())))) <= 15
    ]
    assert error(least) < 0.7 * error(ranged)
    assert error(least) < 1.05 * min(map(error, tried))


def test_tables_with_activations_keep_policies_and_files(mixed: Any, tmp_path: Any) -> None:
    model, batches = mixed
    table = sensitivity_table(model, batches, bits=BITS, activations=PAIRS)
    save_table(table, tmp_path / "t.npz")
    read = load_table(tmp_path / "t.npz")
    assert read.activations is not None
    assert table.activations is not None
    assert all(
        np.array_equal(read.activations.arrays[k], v) for k, v in table.activations.arrays.items()
    )
    assert read.provenance["activation_bits"] == [3, 8, "float"]
    policy = LayerPolicy(exclude=("conv",), pin=(("skip", "w8a8"),), allow=(("twice", ("w2a3",)),))
    left = policy.apply(read)
    assert left.activations is not None
    plan = left.uniform("w2a8")
    assert (plan["skip"], plan["twice"], plan["depthwise"]) == ("w8a8", "w2a3", "w2a8")
    items = left.positions(plan)
    where = table.positions({**plan, "conv": "w2a3"})[1:]
    assert left.activations.scale[items].tolist() == table.activations.scale[where].tolist()


def test_what_says_nothing_of_activations_is_refused(mixed: Any) -> None:
    model, batches = mixed
    knowing = {"fisher", "mc_fisher", "logit_fisher", "first_order", "loss", "kl", "sqnr"}
    for name in METRICS.names():
        if name in knowing:
            sensitivity_table(model, batches, metrics=(name,), bits=(4,), activations=PAIRS)
            continue
        with pytest.raises(UnsupportedError, match=f"metric {name} says nothing of activations"):
            sensitivity_table(model, batches, metrics=(name,), bits=(4,), activations=PAIRS)
    for wrong in (("ternary", 4), (8, 4), ()):
        with pytest.raises(DataError, match="bit-width"):
            ActivationQuantizer(wrong)
    with pytest.raises(DataError, match="--activation-quantizer is made of"):
        ActivationQuantizer.parse("group=4", (8,))
