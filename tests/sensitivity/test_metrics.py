"""Every metric against a dense float64 reference on the small networks."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bitknap.sensitivity import METRICS, Quantizer, quantized_copy, sensitivity_table

from .networks import NETWORKS, logits, reference_scores

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
BITS = (2, 4)
KINDS_WITH_WEIGHTS = ("broadcast", "conv", "conv_transpose", "embedding", "linear", "matmul")
everywhere = pytest.mark.parametrize("network", NETWORKS)


def omega(network, metric, **options):
    model, batches = network()
    table = sensitivity_table(model, batches, metrics=(metric,), bits=BITS, **options)
    return table, table.omega[metric if isinstance(metric, str) else metric.name]


def merged(network):
    """The network with all samples in one batch."""
    model, batches = network()
    return model, [tuple(torch.cat(parts) for parts in zip(*batches, strict=True))]


def moves(model, layers):
    """dw of every item."""
    quantizer = Quantizer()
    return [
        quantizer(w.detach(), bits, dim=layer.channel_dim) - w.detach()
        for layer in layers
        for w in [model.get_parameter(layer.parameter)]
        for bits in BITS
    ]


@functools.cache
def hessians(network):
    """Dense blocks of the mean loss's Hessian, one per layer."""
    model, batches = network()
    layers = sensitivity_table(model, batches, metrics=("weight_mse",)).layers
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    blocks = []
    for layer in layers:
        weight = model.get_parameter(layer.parameter).detach()

        def mean_loss(flat, name=layer.parameter, shape=weight.shape):
            value = {name: flat.reshape(shape)}
            return F.cross_entropy(logits(torch.func.functional_call(model, value, (x,))), y)

        with sdpa_kernel(SDPBackend.MATH):
            blocks.append(torch.autograd.functional.hessian(mean_loss, weight.flatten()))
    return blocks


@everywhere
def test_first_order(network):
    table, result = omega(network, "first_order")
    model, batches = network()
    scores = reference_scores(model, batches, table.layers, Quantizer(), BITS).numpy()
    assert result == pytest.approx(np.abs(scores.mean(axis=0)), rel=1e-9, abs=1e-14)


@everywhere
def test_logit_fisher(network):
    table, result = omega(network, "logit_fisher")
    model, batches = network()

    def log_logit(output, y):
        return output[0, y[0]].abs().log()

    scores = reference_scores(model, batches, table.layers, Quantizer(), BITS, log_logit).numpy()
    assert result == pytest.approx((scores**2).mean(axis=0) / 2, rel=1e-9)


@everywhere
def test_mc_fisher_converges_to_the_expectation_over_labels(network):
    model, batches = network()
    layers = omega(network, "mc_fisher")[0].layers
    expected = 0.0
    probability = torch.cat([logits(model(x)).detach().softmax(dim=1) for x, _ in batches]).numpy()
    for label in range(3):
        fixed = [(x, torch.full_like(y, label)) for x, y in batches]
        scores = reference_scores(model, fixed, layers, Quantizer(), BITS).numpy()
        expected = expected + (probability[:, label, None] * scores**2).mean(axis=0) / 2
    table = sensitivity_table(model, batches * 100, metrics=("mc_fisher",), bits=BITS)
    terms = table.terms("mc_fisher")
    draws = terms.reshape(100, -1, terms.shape[1]).mean(axis=1)
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= 5 * error + 1e-12)
    assert np.mean(error < 0.5 * expected) > 0.8
    assert draws[0] == pytest.approx(omega(network, "mc_fisher")[1], rel=1e-12)
    assert np.abs(draws[0] - omega(network, "mc_fisher", seed=1)[1]).max() > 0


@everywhere
def test_diag_fisher(network):
    table, result = omega(network, "diag_fisher")
    model, batches = network()
    weights = [model.get_parameter(layer.parameter) for layer in table.layers]
    expected = np.zeros(len(result))
    samples = sum(len(x) for x, _ in batches)
    for x, y in batches:
        for n in range(len(x)):
            loss = F.cross_entropy(logits(model(x[n : n + 1])), y[n : n + 1])
            grads = torch.autograd.grad(loss, weights)
            repeated = [grad for grad in grads for _ in BITS]
            for item, move in enumerate(moves(model, table.layers)):
                grad = repeated[item]
                expected[item] += float((grad * move).square().sum()) / (2 * samples)
    assert result == pytest.approx(expected, rel=1e-9)
    assert table.terms("diag_fisher").mean(axis=0) == pytest.approx(expected, rel=1e-9)


@everywhere
def test_output_fisher(network):
    """Layers that are modules of their own: hooks see their inputs and output gradients."""
    table, result = omega(network, "output_fisher")
    model, batches = network()
    modules = dict(model.named_modules())
    names = [layer.name for layer in table.layers]
    plain = [n for n in names if isinstance(modules.get(n), nn.Linear | nn.modules.conv._ConvNd)]
    by_weight = {id(m.weight): n for n, m in modules.items() if n in plain}
    calls = []
    for module in modules.values():
        if getattr(module, "weight", None) is not None and id(module.weight) in by_weight:

            def hook(module, args, output):
                calls.append((module, args[0].detach(), output))

            module.register_forward_hook(hook)
    expected = dict.fromkeys(((name, b) for name in plain for b in BITS), 0.0)
    for x, y in batches:
        for n in range(len(x)):
            calls.clear()
            loss = F.cross_entropy(logits(model(x[n : n + 1])), y[n : n + 1])
            seen = list(calls)
            grads = torch.autograd.grad(loss, [output for _, _, output in seen])
            for (module, inputs, output), grad in zip(seen, grads, strict=True):
                name = by_weight[id(module.weight)]
                dim = table.layers[names.index(name)].channel_dim
                for b in BITS:
                    value = {"weight": Quantizer()(module.weight.detach(), b, dim=dim)}
                    change = torch.func.functional_call(module, value, (inputs,)).detach()
                    expected[name, b] += float(((change - output.detach()) * grad).square().sum())
    tested = 0
    for (name, b), value in expected.items():
        if value > 0:
            item = names.index(name) * len(BITS) + BITS.index(b)
            assert result[item] == pytest.approx(value, rel=1e-9)
            tested += 1
    assert tested >= 4
    assert table.terms("output_fisher").mean(axis=0) == pytest.approx(result, rel=1e-9)


@everywhere
def test_hessian(network):
    table, result = omega(network, "hessian")
    model, _ = network()
    blocks = [block for block in hessians(network) for _ in BITS]
    for item, move in enumerate(moves(model, table.layers)):
        curved = float(move.flatten() @ blocks[item] @ move.flatten()) / 2
        assert result[item] == pytest.approx(curved, rel=1e-8, abs=1e-12)


@everywhere
def test_hawq(network):
    metric = dataclasses.replace(METRICS.load("hawq"), iterations=1000, tolerance=1e-6)
    table, result = omega(functools.partial(merged, network), metric)
    model, _ = network()
    blocks = [block for block in hessians(network) for _ in BITS]
    for item, move in enumerate(moves(model, table.layers)):
        values = torch.linalg.eigvalsh(blocks[item])
        dominant = float(values[values.abs().argmax()])
        expected = dominant * float(move.square().mean())
        assert result[item] == pytest.approx(expected, rel=1e-3)


@everywhere
def test_hawq_v2_within_its_standard_error(network):
    metric = dataclasses.replace(METRICS.load("hawq_v2"), draws=60)
    table, result = omega(functools.partial(merged, network), metric)
    model, _ = network()
    blocks = [block for block in hessians(network) for _ in BITS]
    error = table.standard_error("hawq_v2")
    for item, move in enumerate(moves(model, table.layers)):
        expected = float(blocks[item].trace() * move.square().mean())
        assert abs(result[item] - expected) <= 5 * error[item] + 1e-12
    assert float(np.median(error / np.abs(result))) < 0.5


@everywhere
def test_measured_metrics(network):
    model, batches = network()
    together = ("loss", "kl", "sqnr")
    table = sensitivity_table(model, batches, metrics=together, bits=BITS)
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.no_grad():
        plain = logits(model(x))
        for item, bits in enumerate(table.labels):
            layer = table.layers[item // len(BITS)]
            after = logits(quantized_copy(model, table.layers, {layer.name: bits})(x))
            loss = F.cross_entropy(after, y) - F.cross_entropy(plain, y)
            kl = F.kl_div(after.log_softmax(1), plain.softmax(1), reduction="batchmean")
            ratio = (after - plain).square().sum() / plain.square().sum()
            assert table.omega["loss"][item] == pytest.approx(float(loss), abs=1e-12)
            assert table.omega["kl"][item] == pytest.approx(float(kl), abs=1e-12)
            assert table.omega["sqnr"][item] == pytest.approx(float(ratio), rel=1e-9)
    alone = sensitivity_table(model, batches, metrics=("kl",), bits=BITS)
    assert np.array_equal(alone.omega["kl"], table.omega["kl"])


@everywhere
def test_pairwise(network):
    metric = dataclasses.replace(METRICS.load("pairwise"), samples=6)
    table, result = omega(network, metric)
    model, batches = network()
    x = torch.cat([x for x, _ in batches])[:6]
    y = torch.cat([y for _, y in batches])[:6]

    def increase(*items):
        chosen = {table.layers[i // len(BITS)].name: table.labels[i] for i in items}
        with torch.no_grad():
            changed = logits(quantized_copy(model, table.layers, chosen)(x))
            return float(F.cross_entropy(changed, y) - F.cross_entropy(logits(model(x)), y))

    cross = table.interactions["pairwise"]
    assert np.array_equal(cross, cross.T)
    assert cross[0, 1] == 0
    for i, j in [(0, 2), (1, 5), (3, len(result) - 1)]:
        assert result[i] == pytest.approx(increase(i), abs=1e-12)
        expected = increase(i, j) - increase(i) - increase(j)
        assert cross[i, j] == pytest.approx(expected, abs=1e-12)


@everywhere
def test_cross_terms_of_fisher(network):
    table, result = omega(network, "fisher")
    model, batches = network()
    scores = reference_scores(model, batches, table.layers, Quantizer(), BITS).numpy()
    cross = table.cross("fisher")
    assert cross == pytest.approx(scores.T @ scores / len(scores), rel=1e-9, abs=1e-14)
    assert np.diag(cross) / 2 == pytest.approx(result)


@everywhere
def test_cross_terms_of_fisher_are_the_dense_matrix_between_layers(network):
    """A whole plan's form 1/2 dw' F dw, with F the outer products of all layers' gradients."""
    table, _ = omega(network, "fisher")
    model, batches = network()
    weights = [model.get_parameter(layer.parameter) for layer in table.layers]
    fisher = 0.0
    for x, y in batches:
        for n in range(len(x)):
            loss = F.cross_entropy(logits(model(x[n : n + 1])), y[n : n + 1])
            grads = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
            fisher = fisher + torch.outer(grads, grads) / sum(len(x) for x, _ in batches)
    plan = np.arange(len(weights)) % len(BITS) + np.arange(len(weights)) * len(BITS)
    moved = torch.cat([moves(model, table.layers)[item].flatten() for item in plan])
    chosen = np.zeros(len(table.labels))
    chosen[plan] = 1
    whole = float(moved @ fisher @ moved) / 2
    assert chosen @ table.cross("fisher") @ chosen / 2 == pytest.approx(whole, rel=1e-9)
    assert abs(whole - table.omega["fisher"][plan].sum()) > 1e-3 * whole


def test_the_networks_hold_every_kind_of_layer():
    found = {}
    for network in NETWORKS:
        model, batches = network()
        for layer in sensitivity_table(model, batches, metrics=(), bits=BITS).layers:
            found.setdefault(layer.kind, []).append(layer)
    assert sorted(found) == sorted(KINDS_WITH_WEIGHTS)
    assert any(layer.shape[1] == 1 and layer.shape[0] == 6 for layer in found["conv"])
    assert any("in_proj" in layer.name for layer in found["linear"])
    tied = [layer for layers in found.values() for layer in layers if layer.uses > 1]
    assert {layer.kind for layer in tied} == {"conv", "linear", "embedding"}
    assert any(layer.shared for layer in tied)


def test_labels_are_needed_by_metrics_of_the_loss_only():
    model, batches = NETWORKS[0]()
    bare = [x for x, _ in batches]
    free = [name for name in METRICS.names() if not METRICS.load(name).uses_loss]
    assert free == ["kl", "mc_fisher", "sqnr", "weight_mse"]
    table = sensitivity_table(model, bare, metrics=free, bits=BITS)
    assert np.array_equal(table.omega["kl"], omega(NETWORKS[0], "kl")[1])


def test_every_metric_states_what_it_is():
    for name in METRICS.names():
        metric = METRICS.load(name)
        assert metric.name == name
        assert metric.passes
        assert METRICS.summary(name)
        assert dataclasses.is_dataclass(metric)
        assert metric.__dataclass_params__.frozen
