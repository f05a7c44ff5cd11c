"""Networks for ImageNet: torchvision's parameter names, known numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from bitknap.bench.networks.imagenet_mobilenetv2 import mobilenet_v2
from bitknap.bench.networks.imagenet_resnet import Bottleneck, resnet18, resnet50

PARAMETERS = {resnet18: 11_689_512, resnet50: 25_557_032, mobilenet_v2: 3_504_872}


def norm(name: str) -> Iterator[str]:
    for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        yield f"{name}.{part}"


def resnet_names(blocks: tuple[int, ...], convolutions: int, shortcuts: set[str]) -> set[str]:
    """The keys of torchvision's ``state_dict``, written from its published checkpoints."""
    names = {"conv1.weight", *norm("bn1"), "fc.weight", "fc.bias"}
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            here = f"layer{stage}.{block}"
            for number in range(1, convolutions + 1):
                names |= {f"{here}.conv{number}.weight", *norm(f"{here}.bn{number}")}
            if here in shortcuts:
                names |= {f"{here}.downsample.0.weight", *norm(f"{here}.downsample.1")}
    return names


def mobilenet_names() -> set[str]:
    names = {"features.0.0.weight", *norm("features.0.1")}
    names |= {"features.18.0.weight", *norm("features.18.1")}
    names |= {"classifier.1.weight", "classifier.1.bias"}
    for block in range(1, 18):
        here = f"features.{block}.conv"
        wide = 1 if block == 1 else 2
        for number in range(wide):
            names |= {f"{here}.{number}.0.weight", *norm(f"{here}.{number}.1")}
        names |= {f"{here}.{wide}.weight", *norm(f"{here}.{wide + 1}")}
    return names


@pytest.mark.parametrize("build", PARAMETERS)
def test_the_number_of_parameters_is_the_known_one(build: Callable[[], nn.Module]) -> None:
    assert sum(p.numel() for p in build().parameters()) == PARAMETERS[build]


def test_names_are_torchvision_s() -> None:
    later = {f"layer{stage}.0" for stage in (2, 3, 4)}
    assert set(resnet18().state_dict()) == resnet_names((2, 2, 2, 2), 2, later)
    assert set(resnet50().state_dict()) == resnet_names((3, 4, 6, 3), 3, later | {"layer1.0"})
    assert set(mobilenet_v2().state_dict()) == mobilenet_names()


def test_shapes_where_variants_differ() -> None:
    wide, mobile = resnet50(), mobilenet_v2()
    block = wide.layer2[0]
    assert isinstance(block, Bottleneck)
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))
    shapes = {name: tuple(p.shape) for name, p in mobile.named_parameters()}
    assert shapes["features.1.conv.0.0.weight"] == (32, 1, 3, 3)
    assert shapes["features.14.conv.1.0.weight"] == (576, 1, 3, 3)
    assert shapes["features.17.conv.2.weight"] == (320, 960, 1, 1)


@pytest.mark.parametrize(
    ("build", "macs"), [(resnet18, 1_814), (resnet50, 4_089), (mobilenet_v2, 301)]
)
def test_work_at_224_pixels_is_the_published_one(build: Callable[[], nn.Module], macs: int) -> None:
    """Millions of multiply-accumulates: strides and paddings are where they belong."""
    from torch.utils.flop_counter import FlopCounterMode

    network = build().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = network(torch.zeros(1, 3, 224, 224))
    assert logits.shape == (1, 1000)
    assert round(counter.get_total_flops() / 2e6) == macs
