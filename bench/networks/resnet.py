"""ResNet-18 for small grey images: 3x3 stem, no pooling at the start, narrow stages."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions.

    ``y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x))))))``, where the shortcut is the identity
    or, when the shape changes, a strided 1x1 convolution with batch normalisation.

    References:
        He, Zhang, Ren, Sun, *Deep residual learning for image recognition*, arXiv 1512.03385.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(cast(Tensor, self.downsample(x)) + y)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """What is added to a block's output: its input, by a 1x1 convolution where shapes differ."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet18(nn.Module):
    """ResNet-18 with four stages of two basic blocks, 21 weight layers counting the shortcuts.

    Module names follow the usual ones: ``conv1``, ``layer1.0.conv1``, ``layer2.0.downsample.0``,
    ``fc``.

    Args:
        widths: channels of the four stages; the stem has the first.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (16, 32, 64, 128),
        channels: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], stride=1)
        self.layer2 = _stage(widths[0], widths[1], stride=2)
        self.layer3 = _stage(widths[1], widths[2], stride=2)
        self.layer4 = _stage(widths[2], widths[3], stride=2)
        self.fc = nn.Linear(widths[3], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, channels, H, W)`` to logits ``(N, classes)``."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
