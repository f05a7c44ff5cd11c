"""A table is right and whole, or one sentence says why not: kinds of network that were neither."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils import checkpoint

import bitknap
from bitknap import BitknapError, Quantizer, sensitivity_table
from bitknap.sensitivity import ActivationQuantizer, SensitivityTable
from bitknap.sensitivity.tracing.folding import folded

from .networks import reference_scores

BITS = (2, 4)
LABELS = torch.tensor([0, 1, 2, 0, 1])


class Net(nn.Module):
    """A network of some modules and parameters, run by a function of itself and the inputs."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.run(self, *inputs)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / 3)


def positions(net: Any, ids: Tensor) -> Tensor:
    places = net.pos(torch.arange(ids.shape[1])[None])
    return net.out(torch.tanh(net.tok(ids) + places).mean(1))


def routed(net: Any, x: Tensor) -> Tensor:
    flat = x.flatten(0, 1)
    share, summed = net.gate(flat).softmax(-1), torch.zeros_like(flat)
    chosen = share.argmax(-1)
    for i, expert in enumerate(net.experts):
        rows = (chosen == i).nonzero()[:, 0]
        if len(rows):
            summed = summed.index_add(0, rows, expert(flat[rows]) * share[rows, i : i + 1])
    return net.out(summed.view_as(x).mean(1))


def sometimes(net: Any, x: Tensor) -> Tensor:
    """Samples whose first feature is above 1 go through e too: none of the first batch."""
    rows = (x[:, 0] > 1).nonzero()[:, 0]
    return net.a(x).index_add(0, rows, net.e(x[rows]))


def products(net: Any, x: Tensor) -> Tensor:
    x = torch.einsum("ni,oi->no", (x @ net.right.T).relu(), net.summed).relu()
    x = (net.left @ x.T).T.relu() + net.both[0] @ torch.ones(16, dtype=x.dtype)
    return net.out(torch.bmm(x[None].expand(2, -1, -1), net.experts).sum(0).relu())


def ragged(net: Any, x: Tensor) -> Tensor:
    """Rows of graphs of 4, 3 and 5 nodes in one tensor, summed by graph."""
    graph = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 3, 5]))
    hidden = net.node(x).tanh()
    return net.out(torch.zeros(3, 16).index_add(0, graph, hidden))


def in_order(net: Any, x: Tensor) -> Tensor:
    """A layer that takes its batch sorted, as recurrent ones take theirs by length."""
    order = x[:, 0].argsort()
    return net.out(net.a(x[order])[order.argsort()].tanh())


def split(x: Tensor, y: Tensor, sizes: list[int]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def standardised(net: Any, x: Tensor) -> Tensor:
    w = net.conv.weight
    w = (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)
    return net.out(F.conv2d(x, w, padding=1).relu().mean((2, 3)))


def builds() -> dict[str, tuple[nn.Module, list[tuple[Tensor, Tensor]]]]:
    torch.manual_seed(0)
    ids, x, series = torch.randint(0, 50, (5, 8)), torch.randn(5, 16), torch.randn(5, 8, 16)
    images = torch.randn(5, 3, 6, 6)
    low, high = x.clamp(max=0.5), x.clone()
    high[[1, 4], 0] = 2.0
    y = LABELS
    out = nn.Linear(16, 3)
    place = Net(positions, tok=nn.Embedding(50, 16), pos=nn.Embedding(8, 16), out=out)
    first = Net(
        lambda net, x: net.out(net.block(x.transpose(0, 1)).mean(0)),
        block=nn.TransformerEncoderLayer(16, 4, 32),
        out=nn.Linear(16, 3),
    )
    experts = Net(
        routed,
        gate=nn.Linear(16, 4),
        out=nn.Linear(16, 3),
        experts=nn.ModuleList(nn.Linear(16, 16) for _ in range(4)),
    )
    many = torch.randn(12, 3, 16), torch.randint(0, 3, (12,))
    nearly_sorted = many[0][many[0][:, 0, 0].argsort().roll(-1), 0]
    some = Net(sometimes, a=nn.Linear(16, 3), e=nn.Linear(16, 3))
    vectors = {"right": weight(16, 16), "summed": weight(16, 16), "left": weight(16, 16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted: Any = torch.jit.script(nn.Linear(16, 16))  # type: ignore[no-untyped-call]
    return {
        "positions, first batch of one": (place, split(ids, y, [1, 4])),
        "positions, one batch": (place, [(ids, y)]),
        "sequence first, first batch of one": (first, split(series, y, [1, 4])),
        "sequence first, one batch": (first, [(series, y)]),
        "routed experts, batches of one": (experts, split(*many, [1] * 12)),
        "routed experts, one batch": (experts, [many]),
        "unused in the first batch": (some, [(low, y), (high, y)]),
        "recurrent": (
            Net(
                lambda net, x: net.out(
                    net.gru(net.lstm(x)[0])[0][:, -1] + net.cell(x[:, 1], net.cell(x[:, 0]))
                ),
                lstm=nn.LSTM(16, 8, 2, batch_first=True, bidirectional=True),
                gru=nn.GRU(16, 16, batch_first=True),
                cell=nn.RNNCell(16, 16),
                out=nn.Linear(16, 3),
            ),
            [(series, y)],
        ),
        "products": (
            Net(products, **vectors, both=weight(2, 16, 16), experts=weight(2, 16, 16), out=out),
            [(x, y)],
        ),
        "bag of embeddings": (nn.Sequential(nn.EmbeddingBag(50, 16), nn.Linear(16, 3)), [(ids, y)]),
        "sparse gradients": (
            nn.Sequential(nn.EmbeddingBag(50, 16, sparse=True), nn.Linear(16, 3)),
            [(ids, y)],
        ),
        "bilinear": (
            Net(
                lambda net, x: net.out(net.two(x, x.flip(1))), two=nn.Bilinear(16, 16, 16), out=out
            ),
            [(x, y)],
        ),
        "class token and positions": (
            Net(
                lambda net, x: net.out(
                    net.mix((torch.cat([net.token.expand(len(x), -1, -1), x], 1) + net.pos).tanh())[
                        :, 0
                    ]
                ),
                token=weight(1, 1, 16),
                pos=weight(1, 9, 16),
                mix=nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
                out=nn.Linear(16, 3),
            ),
            [(series, y)],
        ),
        "batch sorted, but for its last sample": (
            Net(in_order, a=nn.Linear(16, 16), out=nn.Linear(16, 3)),
            [(nearly_sorted, many[1])],
        ),
        "scripted part": (nn.Sequential(scripted, nn.ReLU(), nn.Linear(16, 3)), [(x, y)]),
        "checkpoint that is not re-entrant": (
            Net(
                lambda net, x: net.out(checkpoint.checkpoint(net.a, x, use_reentrant=False).relu()),
                a=nn.Linear(16, 16),
                out=nn.Linear(16, 3),
            ),
            [(x, y)],
        ),
        "weight standardisation": (
            Net(standardised, conv=nn.Conv2d(3, 16, 3), out=nn.Linear(16, 3)),
            [(images, y)],
        ),
        "in groups, transposed": (
            nn.Sequential(
                nn.ConvTranspose2d(6, 4, 3, groups=2),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(4, 3),
            ),
            [(torch.randn(5, 6, 4, 4), y)],
        ),
        "labels (N, 1) of int32": (
            nn.Sequential(nn.Linear(16, 3)),
            [(x, y[:, None].int())],
        ),
    }


def loss(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output, y.flatten().long())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*enable_nested_tensor")
@pytest.mark.parametrize("name", builds())
def test_scores_are_those_of_autograd_and_cover_all_weights(name: str) -> None:
    model, batches = builds()[name]
    model = model.double().eval()
    data = [(x.double() if x.is_floating_point() else x, y) for x, y in batches]
    table = sensitivity_table(model, data, bits=BITS)
    expected = every_score(model, data, table)
    scale = np.abs(expected).max(axis=0) + 1e-300
    assert (np.abs(table.scores["fisher"] - expected) / scale).max() < 1e-9
    assert table.coverage.share == 1
    assert not table.coverage.missing


def every_score(model: nn.Module, data: Any, table: SensitivityTable) -> Any:
    """As `reference_scores`, for weights that some samples do not use."""
    weights = [model.get_parameter(layer.parameter) for layer in table.layers]
    rows = []
    for x, y in data:
        for n in range(len(x)):
            value = loss(model(x[n : n + 1]), y[n : n + 1])
            slopes = torch.autograd.grad(value, weights, allow_unused=True)
            rows.append(
                [
                    0.0
                    if slope is None
                    else float(
                        (
                            slope.to_dense() * (Quantizer()(w, b, dim=la.channel_dim) - w.detach())
                        ).sum()
                    )
                    for w, slope, la in zip(weights, slopes, table.layers, strict=True)
                    for b in BITS
                ]
            )
    return np.array(rows)


def test_batches_that_cannot_be_cut_are_differentiated_sample_by_sample() -> None:
    torch.manual_seed(0)
    model = Net(ragged, node=nn.Linear(16, 16), out=nn.Linear(16, 3)).double().eval()
    model.run = lambda net, x: ragged_double(net, x)
    x, y = torch.randn(12, 16, dtype=torch.float64), torch.tensor([0, 1, 2])
    table = sensitivity_table(model, [(x, y)], bits=BITS)
    weights = [model.get_parameter(layer.parameter) for layer in table.layers]
    losses = F.cross_entropy(model(x), y, reduction="none")
    for n in range(3):
        slopes = torch.autograd.grad(losses[n], weights, retain_graph=True)
        expected = [
            float((slope * (Quantizer()(w, b) - w.detach())).sum())
            for w, slope in zip(weights, slopes, strict=True)
            for b in BITS
        ]
        assert table.scores["fisher"][n] == pytest.approx(expected, rel=1e-9)


def ragged_double(net: Any, x: Tensor) -> Tensor:
    graph = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 3, 5]))
    summed = torch.zeros(3, 16, dtype=x.dtype).index_add(0, graph, net.node(x).tanh())
    return net.out(summed)


def test_layers_are_the_same_whatever_the_batches() -> None:
    model, batches = builds()["routed experts, one batch"]
    model.eval()
    (x, y), orders = batches[0], []
    for sizes in ([12], [1] * 12, [5, 7]):
        for turned in (1, -1):
            data = split(x, y, sizes)[::turned]
            table = sensitivity_table(model, data, bits=BITS)
            orders.append([(la.name, la.macs, la.uses) for la in table.layers])
    assert all(order == orders[0] for order in orders)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "change",
    [
        lambda m: parametrizations.weight_norm(m),
        lambda m: parametrizations.spectral_norm(m),
        lambda m: parametrizations.orthogonal(m),
        lambda m: nn.utils.weight_norm(m),
        lambda m: nn.utils.spectral_norm(m),
        lambda m: prune.l1_unstructured(m, "weight", 0.5),
    ],
    ids=["weight_norm", "spectral_norm", "orthogonal", "old weight_norm", "old spectral", "pruned"],
)
def test_parametrized_weights_are_quantized_as_they_act(change: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    change(model[0])
    model.eval()
    data = [(torch.randn(5, 16, dtype=torch.float64), LABELS)]
    with torch.no_grad():
        before = model(data[0][0])
    table = sensitivity_table(model, data, bits=BITS)
    plain = folded(model)
    assert plain is not model
    assert torch.equal(plain(data[0][0]), model(data[0][0]))
    assert torch.equal(model(data[0][0]), before)
    expected = reference_scores(plain, data, table.layers, Quantizer(), BITS).numpy()
    assert table.scores["fisher"] == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert table.coverage.share == 1
    applied: Any = bitknap.apply_plan(model, table, {"0": 2, "2": 4})
    assert torch.equal(applied[0].weight, Quantizer()(plain[0].weight, 2))


def one(module: nn.Module, x: Tensor, y: Tensor, **options: Any) -> SensitivityTable:
    return sensitivity_table(module.eval(), [(x, y)], **options)


def net(*sizes: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def frozen_back(net: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        hidden = net.back(x).relu()
    return net.head(hidden)


def parts(**more: nn.Module) -> dict[str, nn.Module]:
    return {"back": nn.Linear(16, 16), "head": nn.Linear(16, 3), **more}


X = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "backbone under no_grad": (
        lambda: one(Net(frozen_back, **parts()), X, LABELS),
        "0 for every choice of back: .*exclude=",
    ),
    "detached": (
        lambda: one(Net(lambda n, x: n.head(n.back(x).detach()), **parts()), X, LABELS),
        "0 for every choice of back",
    ),
    "second head": (
        lambda: one(
            Net(lambda n, x: (n.head(n.back(x)), n.other(x)), **parts(other=nn.Linear(16, 3))),
            X,
            LABELS,
        ),
        "0 for every choice of other: .*a loss_fn that uses all outputs",
    ),
    "re-entrant checkpoint": (
        lambda: one(
            Net(
                lambda n, x: n.head(checkpoint.checkpoint(n.back, x, use_reentrant=True)), **parts()
            ),
            X,
            LABELS,
        ),
        "0 for every choice of back: .*re-entrant",
    ),
    "regression": (lambda: one(net(16, 1), X, torch.randn(5, 1)), "takes class indices"),
    "one logit": (lambda: one(net(16, 1), X, LABELS * 0), "one class, whose cross-entropy"),
    "float targets": (lambda: one(net(16, 3), X, torch.randn(5, 3)), "takes class indices"),
    "lengths": (
        lambda: sensitivity_table(net(16, 3), [(X, LABELS + 1, LABELS)]),
        r"a tuple of 3, expected \(inputs, labels\)",
    ),
    "empty batch": (lambda: one(net(16, 3), X[:0], LABELS[:0]), "holds no samples"),
    "label out of range": (lambda: one(net(16, 3), X, LABELS + 200), "labels run from 200 to 202"),
    "loss module that averages": (
        lambda: one(net(16, 3), X, LABELS, loss_fn=nn.CrossEntropyLoss()),
        "make it with reduction='none'",
    ),
    "shapes of a loss module": (
        lambda: one(net(16, 3), X, LABELS, loss_fn=nn.MSELoss(reduction="none")),
        "which must be equal",
    ),
    "error in the loss": (
        lambda: one(net(16, 3), X, LABELS, loss_fn=F.cross_entropy),
        "loss_fn raised TypeError",
    ),
    "error in the network": (
        lambda: one(net(16, 3), X[:, :4], LABELS),
        "the model's forward pass raised RuntimeError: mat1 and mat2",
    ),
    "no module": (lambda: sensitivity_table(len, [(X, LABELS)]), "a torch.nn.Module, got builtin"),
    "lazy": (lambda: one(nn.Sequential(nn.LazyLinear(3)), X, LABELS), "lazy parameter 0.weight"),
    "meta": (lambda: one(nn.Linear(16, 3, device="meta"), X, LABELS), "on the meta device"),
    "logits with two readings": (
        lambda: one(nn.Embedding(9, 4), torch.randint(9, (2, 4)), torch.randint(4, (2, 4))),
        "fit in two ways",
    ),
    "labels that are the inputs": (
        lambda: one(nn.Embedding(9, 9), *[torch.arange(8).reshape(2, 4)] * 2),
        "the labels are the inputs themselves",
    ),
    "a key that forward does not take": (
        lambda: sensitivity_table(
            Net(lambda n, x: n.head(x), head=nn.Linear(16, 3)).eval(),
            [{"inputs": X, "more": X, "labels": LABELS}],
            forward=None,
        ),
        "takes",
    ),
    "max_norm": (
        lambda: one(
            nn.Sequential(nn.Embedding(9, 4, max_norm=0.1), nn.Flatten()),
            torch.randint(9, (5, 2)),
            LABELS,
        ),
        "0.weight has max_norm",
    ),
}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unfit_is_refused_in_a_sentence(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(BitknapError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_layer_that_the_loss_does_not_reach_can_be_excluded() -> None:
    model = Net(frozen_back, **parts()).eval()
    table = sensitivity_table(model, [(X, LABELS)], exclude=("back",))
    assert [layer.name for layer in table.layers] == ["head"]
    assert table.floats == {"back": 256 * 32}
    assert table.coverage.missing == {"back": "excluded by the policy"}


def test_one_width_and_one_metric_need_no_list() -> None:
    table = sensitivity_table(net(16, 3), [(X, LABELS)], bits=4, metrics="fisher")
    assert (table.choices, table.metrics) == (("4",), ("fisher",))


def test_arrays_and_loss_modules_are_taken() -> None:
    plain = sensitivity_table(net(16, 16, 3), [(X, LABELS)]).omega["fisher"]
    arrays = sensitivity_table(net(16, 16, 3), [(X.numpy(), LABELS.numpy())])
    module = sensitivity_table(
        net(16, 16, 3), [(X, LABELS)], loss_fn=nn.CrossEntropyLoss(reduction="none")
    )
    assert np.array_equal(arrays.omega["fisher"], plain)
    assert np.array_equal(module.omega["fisher"], plain)


def test_padding_does_not_dilute_the_loss() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 9)).eval()
    ids, labels = torch.randint(0, 50, (4, 6)), torch.randint(0, 9, (4, 6))
    padded = F.pad(ids, (0, 6)), F.pad(labels, (0, 6), value=-100)
    plain = sensitivity_table(model, [(ids, labels)]).omega["fisher"]
    assert sensitivity_table(model, [padded]).omega["fisher"] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_autocast_is_taken(seed: int) -> None:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)).eval()

    def forward(model: nn.Module, batch: Any) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output: Tensor = model(batch[0])
            return output.float()

    exact = sensitivity_table(model, [(X, LABELS)], bits=2).omega["fisher"]
    found = sensitivity_table(model, [(X, LABELS)], bits=2, forward=forward).omega["fisher"]
    assert found == pytest.approx(exact, rel=0.1)


def test_half_precision_outputs_are_compared_in_float32() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 10)).bfloat16().eval()
    data = [(torch.randn(64, 16).bfloat16(), torch.randint(0, 10, (64,)))]
    table = sensitivity_table(model, data, metrics=("kl",))
    assert table.omega["kl"].min() >= 0


def test_channels_of_grouped_transposed_convolutions_have_their_own_scales() -> None:
    torch.manual_seed(0)
    conv = nn.ConvTranspose2d(4, 4, 3, groups=4)
    with torch.no_grad():
        conv.weight *= torch.tensor([100.0, 10, 1, 0.1])[:, None, None, None]
    model = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    table = sensitivity_table(model, [(torch.randn(5, 4, 6, 6), LABELS)])
    applied: Any = bitknap.apply_plan(model, table, {"0": 4, "3": 8})
    exact = conv.weight.detach()
    lost = (applied[0].weight.detach() - exact).square().sum((1, 2, 3))
    assert float((lost / exact.square().sum((1, 2, 3))).max()) < 0.02


@pytest.mark.parametrize("average", [2, 2.8, 3, 5.5, 7.9])
@pytest.mark.parametrize("words", ["affine", "affine,group=4", "affine,group=64"])
def test_average_bits_hold_where_zero_points_take_bits_too(average: float, words: str) -> None:
    torch.manual_seed(0)
    model = net(64, 32, 3)
    how = Quantizer.parse(words)
    data = [(torch.randn(5, 64), LABELS)]
    table = sensitivity_table(model, data, quantizer=how, bits=(2, 3, 8))
    solution = bitknap.solve(table.to_instance("fisher", table.capacity(average)))
    assert solution.labels is not None
    used = int(table.code_bits[table.positions(solution.labels)].sum()) / table.weights
    assert used <= average or average in (2, 3)
    if average in (2, 3):
        uniform = table.positions(table.uniform(average))
        assert int(table.costs["size_bits"][uniform].sum()) <= table.capacity(average)


def test_plans_are_applied_with_the_quantizer_of_the_table_only() -> None:
    model, how = net(128, 16, 3), Quantizer.parse("affine,group=64")
    table = sensitivity_table(model, [(torch.randn(5, 128), LABELS)], quantizer=how)
    applied: Any = bitknap.apply_plan(model, table, {"0": 2, "2": 2})
    assert torch.equal(applied[0].weight, how(model[0].weight, 2))
    solution = bitknap.solve(table.to_instance("fisher", table.capacity(3)))
    assert solution.labels is not None
    again: Any = bitknap.apply_plan(model, table, solution)
    assert torch.equal(again[0].weight, how(model[0].weight, int(solution.labels["0"])))
    wrong: list[tuple[Any, str]] = [
        (None, "a plan must be a mapping"),
        ({"0": 2}, "the plan has no choice for layer '2'"),
        ({"0": 2, "2": 7}, "layer '2' has no choice '7'"),
    ]
    for plan, words in wrong:
        with pytest.raises(BitknapError, match=words):
            bitknap.apply_plan(model, table, plan)
    with pytest.raises(BitknapError, match="with another quantizer"):
        bitknap.apply_plan(model, table, {"0": 2, "2": 2}, Quantizer())
    with torch.no_grad():
        model[0].weight[0, 0] += 1
    with pytest.raises(BitknapError, match="the network has other weights"):
        bitknap.apply_plan(model, table, {"0": 2, "2": 2})


@pytest.mark.parametrize(
    "words", ["", "narrow", "affine,scale=percentile", "group=32,percentile=99.99"]
)
def test_a_quantizer_is_made_from_what_a_table_says_of_it(words: str) -> None:
    how = Quantizer.parse(words) if words else Quantizer()
    assert Quantizer.described(how.describe()) == how
    with pytest.raises(BitknapError, match="no quantizer is described"):
        Quantizer.described({"name": "magic"})


@pytest.mark.parametrize("held", ["heads", "activation"])
def test_bug_networks_that_print_alike_shared_a_table(held: str) -> None:
    """Two heads, then four, or another function in an attribute: the old table was reused."""
    from bitknap.sensitivity.table.provenance import changes

    def attend(net: Any, x: Tensor) -> Tensor:
        q = net.q(x).view(len(x), -1, net.heads, 16 // net.heads).transpose(1, 2)
        mixed = (q.softmax(-1) * q).transpose(1, 2).reshape(len(x), -1, 16)
        return net.head(net.act(mixed).mean(1))

    model = Net(attend, q=nn.Linear(16, 16), head=nn.Linear(16, 3), heads=2, act=torch.tanh).eval()
    data = [(torch.randn(5, 4, 16), LABELS)]
    first = sensitivity_table(model, data).provenance
    assert changes(first, sensitivity_table(model, data).provenance) == []
    if held == "heads":
        model.heads = 4  # type: ignore[assignment]
    else:
        model.act = torch.sin  # type: ignore[assignment]
    assert changes(first, sensitivity_table(model, data).provenance) == ["behaviour"]


def test_activation_choices_of_rows_that_are_not_samples() -> None:
    """Pairs on the general path: weights and inputs of a sequence-first encoder."""
    model, batches = builds()["sequence first, one batch"]
    model, (x, y) = model.double().eval(), batches[0]
    data, pairs = [(x.double(), y)], ActivationQuantizer((4,))
    table = sensitivity_table(model, data, bits=BITS, activations=pairs)
    swapped = Net(lambda net, x: net.out(net.block(x).mean(1)), block=model.block, out=model.out)
    block: Any = swapped.block
    block.self_attn.batch_first = True
    expected = sensitivity_table(swapped.eval(), data, bits=BITS, activations=pairs)
    assert [layer.name for layer in table.layers] == [layer.name for layer in expected.layers]
    assert table.scores["fisher"] == pytest.approx(expected.scores["fisher"], rel=1e-8, abs=1e-12)


def test_output_fisher_of_rows_that_are_not_samples() -> None:
    model, batches = builds()["sequence first, one batch"]
    model, (x, y) = model.double().eval(), batches[0]
    data = [(x.double(), y)]
    found = sensitivity_table(model, data, bits=BITS, metrics="output_fisher")
    block: Any = model.block
    block.self_attn.batch_first = True
    model.run = lambda net, x: net.out(net.block(x).mean(1))  # type: ignore[assignment]
    expected = sensitivity_table(model, data, bits=BITS, metrics="output_fisher")
    assert found.omega["output_fisher"] == pytest.approx(expected.omega["output_fisher"], rel=1e-9)
    recurrent, series = builds()["recurrent"]
    with pytest.raises(BitknapError, match=r"those of lstm\.weight_ih_l0"):
        sensitivity_table(recurrent.eval(), series, metrics="output_fisher")


def test_a_table_can_be_read() -> None:
    table = sensitivity_table(net(16, 16, 3), [(X, LABELS)], metrics=("fisher", "weight_mse"))
    text = str(table)
    assert len(text.splitlines()) <= 10
    assert "2 with 304 weights" in text
    assert "<td" in table._repr_html_()
    frame = table.to_frame()
    assert list(frame["choice"]) == list(table.labels)
    assert list(frame["fisher"]) == table.omega["fisher"].tolist()
