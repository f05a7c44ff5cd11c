"""The one-pass scores against one-sample-at-a-time float64 autograd."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from bitknap import CoverageWarning
from bitknap.sensitivity import Quantizer, quantized_copy, sensitivity_table

from .networks import NETWORKS, attention, logits, reference_scores, sequences

BITS = (2, 3, 8)


def floats(x):
    return x.float() if x.is_floating_point() else x


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("bits", [BITS, (4,)])
def test_scores_equal_the_reference(network, bits):
    model, batches = network()
    table = sensitivity_table(model, batches, bits=bits)
    expected = reference_scores(model, batches, table.layers, Quantizer(), bits).numpy()
    assert table.scores["fisher"].dtype == np.float64
    scale = np.abs(expected).max(axis=0)
    assert scale.min() > 0
    assert np.abs(table.scores["fisher"] - expected).max(axis=0) == pytest.approx(0, abs=1e-12)
    assert (np.abs(table.scores["fisher"] - expected) / scale).max() < 1e-9
    assert table.omega["fisher"] == pytest.approx((expected**2).mean(axis=0) / 2, rel=1e-9)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("network", NETWORKS)
def test_float32_scores_follow_float64(network):
    model, batches = network()
    exact = sensitivity_table(model, batches, bits=BITS).omega["fisher"]
    model = model.float()
    table = sensitivity_table(model, [(floats(x), y) for x, y in batches], bits=BITS)
    assert table.scores["fisher"].dtype == np.float32
    assert table.omega["fisher"] == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("network", [sequences, attention])
def test_bfloat16_models_give_float32_scores(network):
    model, batches = network()
    exact = sensitivity_table(model, batches, bits=BITS).omega["fisher"]
    model = model.to(torch.bfloat16)
    half = [(x.bfloat16() if x.is_floating_point() else x, y) for x, y in batches]
    table = sensitivity_table(model, half, bits=BITS)
    assert table.scores["fisher"].dtype == np.float32
    coarse = np.array(table.bits) < 8
    off = np.abs(np.log(table.omega["fisher"][coarse] / exact[coarse]))
    assert np.mean(off < 0.2) > 0.85


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("network", NETWORKS)
def test_loss_and_weight_mse_equal_a_quantized_copy(network):
    model, batches = network()
    table = sensitivity_table(model, batches, metrics=("loss", "weight_mse"), bits=BITS)
    inputs = torch.cat([x for x, _ in batches])
    labels = torch.cat([y for _, y in batches])

    def mean_loss(net):
        with torch.no_grad():
            return float(nn.functional.cross_entropy(logits(net(inputs)), labels))

    for index, layer in enumerate(table.layers):
        for item in range(table.offsets[index], table.offsets[index + 1]):
            changed = quantized_copy(model, table.layers, {layer.name: table.labels[item]})
            expected = mean_loss(changed) - mean_loss(model)
            assert table.omega["loss"][item] == pytest.approx(expected, abs=1e-12)
            moved = changed.get_parameter(layer.parameter) - model.get_parameter(layer.parameter)
            squares = float(moved.detach().square().sum())
            assert table.omega["weight_mse"][item] == pytest.approx(squares, rel=1e-12)


def test_layers_shared_weights_and_macs_are_found():
    model, batches = sequences()
    model.never = nn.Linear(3, 3).eval()
    with pytest.warns(CoverageWarning, match="left in float: never.weight"):
        table = sensitivity_table(model, batches)
    layers = {layer.name: layer for layer in table.layers}
    assert list(layers) == ["volume", "line", "mix", "fold", "head"]
    assert (layers["mix"].uses, layers["mix"].shared) == (2, ("again",))
    assert layers["mix"].macs == 2 * 5 * 36
    assert layers["volume"].macs == 90 * 12
    missing = {"never.weight": "not used by the forward pass on any batch"}
    assert table.coverage.missing == table.provenance["ignored"] == missing
    assert float(table.coverage) == 1 - 9 / (table.weights + 9)
    assert table.costs["bops"][0] == 90 * 12 * 2 * 32


@pytest.mark.parametrize("samples", [2, 4, 8])
def test_bug_position_embeddings_were_taken_for_layers_of_samples(samples):
    """Rows that were a multiple of the samples passed for rows of samples, and were refused."""

    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(20, 6), nn.Embedding(8, 6)
            self.head = nn.Linear(6, 3)

        def forward(self, ids):
            return self.head((self.tokens(ids) + self.places(torch.arange(8))).tanh().mean(dim=1))

    torch.manual_seed(0)
    model, ids = Positions().double().eval(), torch.randint(20, (samples, 8))
    batches = [(ids, torch.arange(samples) % 3)]
    table = sensitivity_table(model, batches, bits=BITS)
    assert [layer.name for layer in table.layers] == ["tokens", "places", "head"]
    expected = reference_scores(model, batches, table.layers, Quantizer(), BITS).numpy()
    assert np.abs(table.scores["fisher"] - expected).max(axis=0) == pytest.approx(0, abs=1e-12)


def test_the_model_is_left_as_it_was():
    model, batches = sequences()
    model.line.weight.requires_grad_(False)
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def interrupted(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sensitivity_table(model, batches, metrics=("loss",), progress=interrupted)
    sensitivity_table(model, batches, metrics=("fisher", "loss"))
    assert {name: p.requires_grad for name, p in model.named_parameters()} == flags
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bug_graph_kept_alive_after_the_backward_pass():
    """Hooks that referred to the losses made a cycle that nothing freed: 35 MB per batch."""
    model, batches = sequences()
    seen = []

    def loss(output, batch):
        losses = nn.functional.cross_entropy(output, batch[1], reduction="none")
        seen.append(weakref.ref(losses))
        return losses

    sensitivity_table(model, batches, loss_fn=loss)
    gc.collect()
    assert len(seen) > len(batches)
    assert all(reference() is None for reference in seen)
