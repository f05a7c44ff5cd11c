from __future__ import annotations

import pytest
import torch
from torch import nn

from bitknap.bench.networks.mobilenetv2 import InvertedResidual, MobileNetV2
from bitknap.bench.networks.resnet import BasicBlock, ResNet18


def weight_layers(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def test_resnet18_has_the_usual_layers() -> None:
    layers = weight_layers(ResNet18())
    assert len(layers) == 21
    assert {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.conv2", "fc"} <= set(
        layers
    )
    assert [n for n in layers if "downsample" in n] == [
        f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)
    ]
    assert sum(layer.weight.numel() for layer in layers.values()) == 698_768


def test_mobilenetv2_has_the_usual_layers() -> None:
    layers = weight_layers(MobileNetV2())
    assert {"features.0.0", "features.2.conv.1.0", "classifier"} <= set(layers)
    depthwise = [
        layer
        for layer in layers.values()
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.out_channels
    ]
    assert len(depthwise) == 10
    assert all(layer.weight.shape[1:] == (1, 3, 3) for layer in depthwise)
    assert sum(layer.weight.numel() for layer in layers.values()) == 387_816


@pytest.mark.parametrize("build", [ResNet18, MobileNetV2])
def test_images_go_to_logits_one_by_one(build: type[ResNet18 | MobileNetV2]) -> None:
    torch.manual_seed(0)
    network = build().double().eval()
    images = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    logits = network(images)
    assert logits.shape == (3, 10)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(logits, alone)


@pytest.mark.parametrize("build", [ResNet18, MobileNetV2])
def test_every_parameter_counts(build: type[ResNet18 | MobileNetV2]) -> None:
    torch.manual_seed(0)
    network = build()
    network(torch.randn(4, 1, 28, 28)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())


def test_basic_block_is_a_residual_sum() -> None:
    block = BasicBlock(2, 2, stride=1).eval()
    x = torch.randn(1, 2, 4, 4)
    nn.init.zeros_(block.conv2.weight)
    assert torch.equal(block(x), x.relu())
    assert BasicBlock(2, 3, stride=2).eval()(x).shape == (1, 3, 2, 2)


def test_inverted_residual_adds_its_input_only_where_shapes_agree() -> None:
    x = torch.randn(1, 4, 6, 6)
    same = InvertedResidual(4, 4, stride=1, expansion=2).eval()
    strided = InvertedResidual(4, 4, stride=2, expansion=2).eval()
    for block in (same, strided):
        projection = block.conv[-2]
        assert isinstance(projection, nn.Conv2d)
        nn.init.zeros_(projection.weight)
    assert torch.equal(same(x), x)
    assert torch.equal(strided(x), torch.zeros(1, 4, 3, 3))
