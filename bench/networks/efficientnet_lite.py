"""EfficientNet-Lite0: inverted residuals without squeeze-and-excitation, TensorFlow's padding."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

# (blocks, kernel, stride, expansion, channels) of each group of blocks.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32
HEAD = 1280
EPSILON = 1e-3
"""Batch normalisation's, as in the TensorFlow original."""


class SamePadConv2d(nn.Conv2d):
    """Convolution without bias and with TensorFlow's "SAME" padding.

    The output has ``ceil(size / stride)`` positions; an odd number of padding rows puts the extra
    one after the image, where PyTorch's symmetric padding would shift the table by one pixel.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, of torch
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, ceil(H / stride), ceil(W / stride))``."""
        pads: list[int] = []
        for size, kernel, stride in zip(
            reversed(input.shape[2:]),
            reversed(self.kernel_size),
            reversed(self.stride),
            strict=True,
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            padding = (pads[2], pads[0])
            return F.conv2d(
                input, self.weight, None, self.stride, padding, self.dilation, self.groups
            )
        padded = F.pad(input, pads)
        return F.conv2d(padded, self.weight, None, self.stride, 0, self.dilation, self.groups)


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, linear 1x1 projection.

    The input is added where both have one shape; an expansion of 1 leaves ``expand_conv`` out.

    Args:
        expansion: hidden channels are ``expansion * inputs``.

    References:
        Tan, Le, *EfficientNet: rethinking model scaling for convolutional neural networks*,
        arXiv 1905.11946.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * inputs
        self.expand_conv: SamePadConv2d | None = None
        if expansion != 1:
            self.expand_conv = SamePadConv2d(inputs, hidden, 1)
            self.bn0 = nn.BatchNorm2d(hidden, EPSILON)
        self.depthwise_conv = SamePadConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self.bn1 = nn.BatchNorm2d(hidden, EPSILON)
        self.project_conv = SamePadConv2d(hidden, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs, EPSILON)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, ceil(H / stride), ceil(W / stride))``."""
        y = x
        if self.expand_conv is not None:
            y = F.relu6(self.bn0(self.expand_conv(y)))
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + cast(Tensor, y) if self.residual else cast(Tensor, y)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0, 4,652,008 parameters with 1,000 classes.

    References:
        Tan, Le, arXiv 1905.11946; the Lite variants are the TensorFlow authors' (2020): no
        squeeze-and-excitation, ReLU6 in place of swish, stem and head not scaled.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv_stem = SamePadConv2d(3, STEM, 3, stride=2)
        self.bn0 = nn.BatchNorm2d(STEM, EPSILON)
        blocks, inputs = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for position in range(count):
                step = stride if position == 0 else 1
                blocks.append(MBConv(inputs, outputs, kernel, step, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = SamePadConv2d(inputs, HEAD, 1)
        self.bn1 = nn.BatchNorm2d(HEAD, EPSILON)
        self.fc = nn.Linear(HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)``, pixels ``(p - 127) / 128``, to logits ``(N, classes)``."""
        x = self.blocks(F.relu6(self.bn0(self.conv_stem(x))))
        x = F.relu6(self.bn1(self.conv_head(x))).mean(dim=(2, 3))
        return cast(Tensor, self.fc(x))
