"""Classifiers of images, written out small after torchvision's and others'."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.bench.networks.efficientnet_lite import EfficientNetLite0
from bitknap.bench.networks.mobilenetv2 import MobileNetV2
from bitknap.bench.networks.resnet import ResNet18

from .case import Case, ce, images


class Add(nn.Module):
    """x + f(x), or with a shortcut of its own."""

    def __init__(self, inside: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.inside, self.shortcut = inside, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.inside(x)


class Join(nn.Module):
    """The outputs of several branches, side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, act: nn.Module | None = None) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.act = act or nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.up(F.silu(self.down(F.adaptive_avg_pool2d(x, 1))))
        return x * self.act(scale)


class Shuffle(nn.Module):
    """Channels of two groups interleaved."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Half(nn.Module):
    """A branch on one half of the channels, the other half kept."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat([a, self.inside(b)], 1)


def conv(a: int, b: int, k: Any = 3, act: nn.Module | None = None, **how: Any) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    how = {"padding": "same" if isinstance(k, tuple) else k // 2, "bias": False, **how}
    return nn.Sequential(nn.Conv2d(a, b, k, **how), nn.BatchNorm2d(b), act or nn.ReLU())


def plain(a: int, b: int, k: int = 3, **how: Any) -> nn.Sequential:
    """Without activation."""
    return conv(a, b, k, nn.Identity(), **how)


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]


def net(*parts: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(*parts, *head(channels))


def inverted(a: int, b: int, k: int, act: nn.Module, squeeze: bool = True) -> nn.Module:
    """Expand, depthwise, squeeze and excitation, project."""
    wide = 2 * a
    parts = [conv(a, wide, 1, act), conv(wide, wide, k, act, groups=wide)]
    parts += [Squeeze(wide, nn.Hardsigmoid())] if squeeze else []
    inside = nn.Sequential(*parts, plain(wide, b, 1))
    return Add(inside) if a == b else inside


def resnext() -> nn.Module:
    block = nn.Sequential(conv(8, 8, 1), conv(8, 8, groups=4, stride=2), plain(8, 12, 1))
    return net(conv(3, 8), Add(block, plain(8, 12, 1, stride=2)), nn.ReLU(), channels=12)


def densenet() -> nn.Module:
    def layer(a: int) -> nn.Module:
        new = nn.Sequential(
            nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, 8, 1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 4, 3, padding=1),
        )  # fmt: skip
        return Join(nn.Identity(), new)

    return net(nn.Conv2d(3, 8, 3), layer(8), layer(12), nn.AvgPool2d(2), layer(16), channels=20)


def googlenet() -> nn.Module:
    inception = Join(
        conv(6, 4, 1),
        nn.Sequential(conv(6, 4, 1), conv(4, 4)),
        nn.Sequential(conv(6, 2, 1), conv(2, 4, 5)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(6, 4, 1)),
    )
    return net(conv(3, 6), inception, nn.LocalResponseNorm(3), channels=16)


def inception3() -> nn.Module:
    """Convolutions factored into rows and columns."""
    line = conv(6, 4, 1)
    split = Join(conv(4, 4, (1, 3)), conv(4, 4, (3, 1)))
    stem = conv(3, 6, stride=2)
    return net(stem, Join(nn.Sequential(line, split), conv(6, 4, 1)), channels=12)


def squeezenet() -> nn.Module:
    def fire(a: int) -> nn.Module:
        wide = Join(nn.Conv2d(4, 6, 1), nn.Conv2d(4, 6, 3, padding=1))
        return nn.Sequential(nn.Conv2d(a, 4, 1), nn.ReLU(inplace=True), wide, nn.ReLU(inplace=True))

    last = nn.Conv2d(12, 3, 1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True), fire(8),
        fire(12), nn.Dropout(0.5), last, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def shufflenet() -> nn.Module:
    branch = nn.Sequential(conv(4, 4, 1), plain(4, 4, groups=4), conv(4, 4, 1))
    return net(conv(3, 8), Half(branch), Shuffle(), conv(8, 8, groups=2), Shuffle(), channels=8)


def mobilenet1() -> nn.Module:
    return net(conv(3, 6), conv(6, 6, groups=6), conv(6, 8, 1), channels=8)


def mobilenet3() -> nn.Module:
    act = nn.Hardswish()
    return nn.Sequential(
        conv(3, 6, 3, act, stride=2), inverted(6, 6, 3, nn.ReLU()), inverted(6, 8, 5, act),
        conv(8, 12, 1, act), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 16), act,
        nn.Dropout(0.2), nn.Linear(16, 3),
    )  # fmt: skip


def efficientnet() -> nn.Module:
    act = nn.SiLU()
    return net(
        conv(3, 6, 3, act), inverted(6, 6, 3, act), inverted(6, 8, 5, act),
        Add(nn.Sequential(conv(8, 16, 3, act), plain(16, 8, 1))), channels=8,
    )  # fmt: skip


def regnet() -> nn.Module:
    block = nn.Sequential(conv(6, 8, 1), conv(8, 8, groups=2, stride=2), Squeeze(8), plain(8, 8, 1))
    return net(conv(3, 6), Add(block, plain(6, 8, 1, stride=2)), nn.ReLU(), channels=8)


class ChannelsLast(nn.Module):
    """A network on the last dimension of (N, C, H, W)."""

    def __init__(self, *inside: nn.Module) -> None:
        super().__init__()
        self.inside = nn.Sequential(*inside)

    def forward(self, x: Tensor) -> Tensor:
        return self.inside(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """A factor per channel, a parameter of three dimensions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.5) + torch.rand(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def convnext() -> nn.Module:
    inside = nn.Sequential(
        nn.Conv2d(6, 6, 7, padding=3, groups=6),
        ChannelsLast(nn.LayerNorm(6), nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6)),
        Scale(6),
    )
    return net(nn.Conv2d(3, 6, 2, stride=2), Add(inside), channels=6)


def vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3),
        nn.ReLU(True), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 12), nn.ReLU(True),
        nn.Dropout(), nn.Linear(12, 3),
    )  # fmt: skip


def ghostnet() -> nn.Module:
    ghost = nn.Sequential(conv(6, 4, 1), Join(nn.Identity(), conv(4, 4, groups=4)))
    return net(conv(3, 6), ghost, channels=8)


def grey(size: int) -> Any:
    return images(size, 1, 10)


CASES = [
    Case("ResNet-18 of bench", lambda: ResNet18((4, 6, 8, 10)), grey(8), ce, given=None),
    Case("MobileNetV2 of bench", MobileNetV2, grey(8), ce, given=None, slow=True),
    Case("EfficientNet-Lite0 of bench", EfficientNetLite0, images(32, 3, 10, (2,)), ce,
         given=None, slow=True),
    Case("VGG", vgg, images(8), ce, given=None),
    Case("ResNeXt", resnext, images(8), ce, given=None),
    Case("DenseNet", densenet, images(8), ce, given=None),
    Case("GoogLeNet", googlenet, images(8), ce, given=None),
    Case("Inception, rows and columns", inception3, images(8), ce, given=None),
    Case("SqueezeNet", squeezenet, images(10), ce, given=None),
    Case("ShuffleNetV2", shufflenet, images(8), ce, given=None),
    Case("MobileNetV1", mobilenet1, images(8), ce, given=None),
    Case("MobileNetV3", mobilenet3, images(8), ce, given=None),
    Case("EfficientNetV2", efficientnet, images(8), ce, given=None),
    Case("RegNetY", regnet, images(8), ce, given=None),
    Case("ConvNeXt", convnext, images(8), ce, given=None),
    Case("GhostNet", ghostnet, images(8), ce, given=None),
]  # fmt: skip
