"""A GPU gives what the CPU gives; skipped where there is none."""

import numpy as np
import pytest
import torch

from bitknap.sensitivity import METRICS, ActivationQuantizer, quantized_copy, sensitivity_table
from bitknap.sensitivity.resume.checkpoint import Checkpoint

from .networks import NETWORKS, attention, convolutions, sequences

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]
BITS = (2, 3, 8)


def both(network, **options):
    """Tables of the CPU and of the GPU, which is given batches in host memory."""
    model, batches = network()
    here = sensitivity_table(model, batches, bits=BITS, **options)
    there = sensitivity_table(model.cuda(), batches, bits=BITS, **options)
    assert there.provenance["device"] == "cuda"
    return here, there


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("metric", METRICS.names())
def test_float64_metrics_equal_those_of_the_cpu(network, metric):
    here, there = both(network, metrics=(metric,))
    size = np.abs(here.omega[metric]).max()
    assert there.omega[metric] == pytest.approx(here.omega[metric], rel=1e-6, abs=1e-9 * size)
    if metric in here.scores:
        scale = np.abs(here.scores[metric]).max()
        assert np.abs(there.scores[metric] - here.scores[metric]).max() < 1e-8 * scale


@pytest.mark.parametrize("network", NETWORKS)
def test_float32_scores_follow_the_cpus(network):
    model, batches = network()
    batches = [(x.float() if x.is_floating_point() else x, y) for x, y in batches]
    here = sensitivity_table(model.float(), batches, bits=BITS).scores["fisher"]
    there = sensitivity_table(model.cuda(), batches, bits=BITS).scores["fisher"]
    assert there.dtype == np.float32
    assert np.abs(there - here).max(axis=0) == pytest.approx(0, abs=5e-3 * np.abs(here).max())


@pytest.mark.parametrize("network", [sequences, attention])
def test_bfloat16_models_give_float32_scores(network):
    model, batches = network()
    exact = sensitivity_table(model, batches, bits=BITS).omega["fisher"]
    half = [(x.bfloat16() if x.is_floating_point() else x, y) for x, y in batches]
    table = sensitivity_table(model.to("cuda", torch.bfloat16), half, bits=BITS)
    assert table.scores["fisher"].dtype == np.float32
    coarse = np.array(table.bits) < 8
    off = np.abs(np.log(table.omega["fisher"][coarse] / exact[coarse]))
    assert np.mean(off < 0.2) > 0.85


def test_pairs_of_weights_and_activations():
    here, there = both(convolutions, metrics=("fisher", "loss"), activations=ActivationQuantizer())
    assert there.labels == here.labels
    assert there.activations.scale == pytest.approx(here.activations.scale, rel=1e-9)
    for metric in ("fisher", "loss"):
        assert there.omega[metric] == pytest.approx(here.omega[metric], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_two_runs_give_the_same_scores(network):
    model, batches = network()
    one, two = (sensitivity_table(model.cuda(), batches, bits=BITS) for _ in range(2))
    assert np.abs(one.scores["fisher"] - two.scores["fisher"]).max() < 1e-12


def test_memory_is_that_of_the_gpu_and_chunks_are_kept(tmp_path):
    model, batches = convolutions()
    kept = []
    table = sensitivity_table(model.cuda(), batches, bits=BITS, checkpoint=Checkpoint(tmp_path))
    assert 0 < table.metric_cost["fisher"]["peak_bytes"] < 1 << 30
    again = sensitivity_table(
        model, batches, bits=BITS, checkpoint=Checkpoint(tmp_path, say=kept.append)
    )
    assert any("resuming" in text for text in kept)
    assert again.scores["fisher"].tobytes() == table.scores["fisher"].tobytes()


def test_plans_apply_on_the_gpu():
    model, batches = convolutions()
    table = sensitivity_table(model.cuda(), batches, bits=BITS)
    plan = {layer.name: "3" for layer in table.layers}
    there = quantized_copy(model, table.layers, plan)
    here = quantized_copy(model.cpu(), table.layers, plan)
    for one, two in zip(there.parameters(), here.parameters(), strict=True):
        assert one.is_cuda
        assert torch.allclose(one.cpu(), two, rtol=1e-12, atol=0)
