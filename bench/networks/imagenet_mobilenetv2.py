"""MobileNetV2 for ImageNet, with torchvision's parameter names."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .mobilenetv2 import conv_bn_relu6, feature_layers

# (expansion, channels, blocks, stride) of each group of inverted residuals: table 2 of the paper.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM = 32
HEAD = 1280
DROPOUT = 0.2


class ImageNetMobileNetV2(nn.Module):
    """MobileNetV2 of width 1.0 for large colour images."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        stem = conv_bn_relu6(3, STEM, kernel=3, stride=2)
        self.features = feature_layers(stem, STEM, STAGES, HEAD)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(HEAD, classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        return cast(Tensor, self.classifier(self.features(x).mean(dim=(2, 3))))


def mobilenet_v2(classes: int = 1000) -> ImageNetMobileNetV2:
    """MobileNetV2, 3,504,872 parameters with 1,000 classes; loads torchvision's weights."""
    return ImageNetMobileNetV2(classes)
