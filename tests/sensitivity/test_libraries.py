"""Networks of torchvision, timm and transformers are taken as they are; skipped without these."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitknap.sensitivity import Quantizer, quantized_copy, sensitivity_table

BITS, QUANTIZER = (2, 4, 8), Quantizer(scale="minmax")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def assert_scores(model: nn.Module, batch: object, loss: Callable[[nn.Module], torch.Tensor]):
    """Scores summed over the samples are the summed loss's gradient times the perturbations."""
    model = model.eval().to(DEVICE)
    table = sensitivity_table(model, [batch], bits=BITS, quantizer=QUANTIZER)
    assert len(table.layers) > 10
    weights = [model.get_parameter(layer.parameter) for layer in table.layers]
    gradients = torch.autograd.grad(loss(model), weights)
    total = table.scores["fisher"].astype(np.float64).sum(axis=0)
    for index, (layer, gradient) in enumerate(zip(table.layers, gradients, strict=True)):
        weight = weights[index].detach()
        for place, bits in enumerate(BITS, start=int(table.offsets[index])):
            move = (QUANTIZER(weight, bits, dim=layer.channel_dim) - weight).double()
            size = float((move.abs() * gradient.double().abs()).sum())
            expected = float((move * gradient.double()).sum())
            assert total[place] == pytest.approx(expected, abs=5e-3 * size + 1e-9)
    copy = quantized_copy(model, table.layers, {layer.name: "4" for layer in table.layers})
    assert bool(torch.isfinite(loss(copy)))


def assert_image_network(model: nn.Module, size: int):
    x = torch.randn(2, 3, size, size, device=DEVICE)
    y = torch.tensor([1, 3], device=DEVICE)
    assert_scores(model, (x, y), lambda net: F.cross_entropy(net(x), y, reduction="sum"))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 64),
        ("resnet50", 64),
        ("mobilenet_v2", 64),
        ("mobilenet_v3_small", 64),
        ("efficientnet_b0", 64),
        ("regnet_y_400mf", 64),
        ("shufflenet_v2_x0_5", 64),
        ("densenet121", 64),
        ("convnext_tiny", 64),
        ("vit_b_16", 224),
        ("swin_t", 64),
    ],
)
def test_torchvision(name, size):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    assert_image_network(models.get_model(name, weights=None), size)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 64),
        ("mobilenetv3_small_100", 64),
        ("efficientnet_lite0", 64),
        ("convnext_atto", 64),
        ("vit_tiny_patch16_224", 224),
        ("deit_tiny_patch16_224", 224),
        ("mixer_s32_224", 224),
        ("ghostnet_100", 64),
    ],
)
def test_timm(name, size):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    assert_image_network(timm.create_model(name, pretrained=False), size)


@pytest.mark.parametrize("name", ["Bert", "DistilBert", "GPT2", "Llama", "T5"])
def test_transformers(name):
    transformers = pytest.importorskip("transformers")
    sizes = {
        "Bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
        "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
        "GPT2": {"n_embd": 32, "n_layer": 3, "n_head": 2},
        "Llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
        "T5": {"d_model": 32, "num_layers": 2, "num_heads": 2, "d_kv": 16},
    }[name]
    common = {"vocab_size": 100, "pad_token_id": 0, "decoder_start_token_id": 0}
    given = {"intermediate_size": 64, **common, **sizes}
    config = getattr(transformers, f"{name}Config")(**given)
    kind = f"{name}ForSequenceClassification"
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config)
    ids = torch.randint(2, 90, (2, 12), device=DEVICE)
    ids[:, -1] = config.eos_token_id if name == "T5" else 5
    batch = {"input_ids": ids, "labels": torch.tensor([0, 1], device=DEVICE)}

    def loss(net: nn.Module) -> torch.Tensor:
        return F.cross_entropy(net(**batch).logits, batch["labels"], reduction="sum")

    assert_scores(model, batch, loss)
