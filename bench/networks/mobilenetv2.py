"""MobileNetV2 for small grey images: inverted residuals with depthwise convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

# (expansion, channels, blocks, stride) of each group of inverted residuals.
STAGES = ((1, 16, 1, 1), (3, 24, 2, 2), (4, 32, 2, 2), (6, 64, 3, 2), (6, 104, 2, 1))
STEM = 16
HEAD = 320


class InvertedResidual(nn.Module):
    """Inverted residual: 1x1 expansion, 3x3 depthwise convolution, linear 1x1 projection.

    The input is added to the output where both have one shape (stride 1, as many channels); an
    expansion of 1 leaves the first convolution out.

    References:
        Sandler, Howard, Zhu, Zhmoginov, Chen, *MobileNetV2: inverted residuals and linear
        bottlenecks*, arXiv 1801.04381.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(conv_bn_relu6(inputs, hidden, kernel=1))
        layers.append(conv_bn_relu6(hidden, hidden, kernel=3, stride=stride, groups=hidden))
        layers.append(nn.Conv2d(hidden, outputs, 1, bias=False))
        layers.append(nn.BatchNorm2d(outputs))
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        y = cast(Tensor, self.conv(x))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """Narrow MobileNetV2 with strides fit for 28x28 images.

    Module names follow the usual ones: ``features.0.0`` the stem, ``features.3.conv.1.0`` a
    depthwise convolution, ``classifier``.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        stem = conv_bn_relu6(channels, STEM, kernel=3)
        self.features = feature_layers(stem, STEM, STAGES, HEAD)
        self.classifier = nn.Linear(HEAD, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, channels, H, W)`` to logits ``(N, classes)``."""
        return cast(Tensor, self.classifier(self.features(x).mean(dim=(2, 3))))


def feature_layers(
    stem: nn.Module, inputs: int, stages: Sequence[tuple[int, int, int, int]], head: int
) -> nn.Sequential:
    """Stem of so many channels, inverted residuals, and a 1x1 convolution to the head's channels.

    Args:
        stages: (expansion, channels, blocks, stride of the first) of each group.
    """
    features = [stem]
    for expansion, outputs, blocks, stride in stages:
        for block in range(blocks):
            step = stride if block == 0 else 1
            features.append(InvertedResidual(inputs, outputs, step, expansion))
            inputs = outputs
    features.append(conv_bn_relu6(inputs, head, kernel=1))
    return nn.Sequential(*features)


def conv_bn_relu6(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU6; padded by ``kernel // 2``."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )
