"""ResNet-18 and ResNet-50 for ImageNet, with torchvision's parameter names."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from .resnet import BasicBlock, shortcut

WIDTHS = (64, 128, 256, 512)


class Bottleneck(nn.Module):
    """Residual block of a 1x1, a 3x3 and a 1x1 convolution; the last has four times the channels.

    The stride is that of the 3x3 convolution, as in torchvision's trained weights.

    Args:
        width: channels of the 3x3 convolution; the output has ``4 * width``.

    References:
        He, Zhang, Ren, Sun, *Deep residual learning for image recognition*, arXiv 1512.03385.
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = self.expansion * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, 4 * width, H / stride, W / stride)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(cast(Tensor, self.downsample(x)) + y)


class ResNet(nn.Module):
    """Residual network for large images: 7x7 stem, pooling, four stages, linear classifier."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: tuple[int, int, int, int],
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        expansion = Bottleneck.expansion if block is Bottleneck else 1
        inputs = WIDTHS[0]
        stages = []
        for number, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            layers = []
            for position in range(count):
                stride = 2 if number and not position else 1
                layers.append(block(inputs, width, stride))
                inputs = expansion * width
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))


def resnet18(classes: int = 1000) -> ResNet:
    """ResNet-18, 11,689,512 parameters with 1,000 classes; loads torchvision's ``resnet18``."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes)


def resnet50(classes: int = 1000) -> ResNet:
    """ResNet-50, 25,557,032 parameters with 1,000 classes; loads torchvision's ``resnet50``."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)
