"""Networks for images, written out small after torchvision's and others'."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.bench.networks.efficientnet_lite import EfficientNetLite0
from bitknap.bench.networks.mobilenetv2 import MobileNetV2
from bitknap.bench.networks.resnet import ResNet18

from .case import Case, ce, images, mse


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


class Pyramid(nn.Module):
    """Features of two sizes, the small one added to the large one, one head on both (FPN)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(3, 6, 3, nn.Tanh()), conv(6, 8, 3, nn.Tanh(), stride=2)
        self.side, self.top = nn.Conv2d(6, 4, 1), nn.Conv2d(8, 4, 1)
        self.head = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        a = self.a(x)
        top = self.top(self.b(a))
        side = self.side(a) + F.interpolate(top, size=a.shape[-2:])
        return [self.head(level.tanh()) for level in (side, top)]


def pyramid(output: list[Tensor], batch: Any) -> Tensor:
    return sum(ce(level.mean((2, 3)), batch) for level in output)


class Pooled(nn.Module):
    """Atrous pooling and a decoder with an early feature, resized to the image (DeepLab)."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = conv(3, 6), conv(6, 8, 3, stride=2)
        self.branches = nn.ModuleList(
            [conv(8, 4, 1), conv(8, 4, 3, dilation=2, padding=2), conv(8, 4, 1)]
        )
        self.project, self.out = conv(12, 6, 1), nn.Conv2d(12, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x)
        high = self.high(low)
        whole = F.adaptive_avg_pool2d(high, 1).expand(-1, -1, *high.shape[-2:])
        parts = [f(z) for f, z in zip(self.branches, (high, high, whole), strict=True)]
        high = F.interpolate(
            self.project(torch.cat(parts, 1)), size=low.shape[-2:], mode="bilinear"
        )
        return {"logits": self.out(torch.cat([low, high], 1))}


class UNet(nn.Module):
    """Down, up by transposed convolution, features joined."""

    def __init__(self, out: int = 4) -> None:
        super().__init__()
        self.a, self.b = conv(3, 6), conv(6, 8, 3, stride=2)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.last = nn.Conv2d(12, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        return self.last(torch.cat([a, self.up(self.b(a))], 1))


class Autoencoder(nn.Module):
    """A variational autoencoder with its mean as the code, output and both moments."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.SiLU(), nn.Flatten())
        self.moments, self.start = nn.Linear(96, 8), nn.Linear(4, 96)
        self.decode = nn.Sequential(
            nn.SiLU(), nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=2), nn.SiLU(), nn.Conv2d(6, 3, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.moments(self.encode(x)).chunk(2, -1)
        code = mean + spread.exp() * torch.linspace(-1, 1, 4, dtype=x.dtype)
        return self.decode(self.start(code).view(-1, 6, 4, 4)), mean, spread


def elbo(output: tuple[Tensor, Tensor, Tensor], batch: Any) -> Tensor:
    image, mean, spread = output
    close = (image - batch[0]).square().mean((1, 2, 3))
    return close + (mean.square() + spread.exp().square() - 2 * spread - 1).mean(1) / 2


class Diffusion(nn.Module):
    """A U-Net told the time by sines, two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.time, self.unet = nn.Linear(4, 3), UNet(3)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angle = t[:, None] * torch.tensor([1.0, 0.1], dtype=x.dtype)
        told = self.time(torch.cat([angle.sin(), angle.cos()], 1))
        return self.unet(x + told[..., None, None])


class Volume(nn.Module):
    """Video: 3-d convolutions, then a recurrent layer over the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(3, 4, (3, 3, 3), padding=1)
        self.frames, self.out = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.volume(x.unsqueeze(2).repeat(1, 1, 3, 1, 1)).tanh().mean((3, 4))
        return self.out(self.frames(x.mT)[0][:, -1])


class WaveNet(nn.Module):
    """Dilated causal convolutions with gates, on the rows of an image one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 6, 1)
        self.gated = nn.ModuleList(nn.Conv1d(6, 12, 2, dilation=d) for d in (1, 2))
        self.skips, self.out = nn.ModuleList(nn.Conv1d(6, 6, 1) for _ in range(2)), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.first(x.flatten(2)), 0
        for gated, skip in zip(self.gated, self.skips, strict=True):
            a, b = gated(F.pad(x, (gated.dilation[0], 0))).chunk(2, 1)
            made = skip(a.tanh() * b.sigmoid())
            x, total = x + made, total + made
        return self.out(total.mean(2))


def maps() -> list[Any]:
    """Images with a class for every pixel, some of them -100."""
    batches = []
    for n in (1, 3):
        labels = torch.randint(4, (n, 8, 8))
        labels[:, :2] = -100
        batches.append((torch.randn(n, 3, 8, 8, dtype=torch.float64), labels))
    return batches


def noise() -> list[Any]:
    shape = (3, 8, 8)
    return [
        (
            torch.randn(n, *shape, dtype=torch.float64),
            torch.rand(n, dtype=torch.float64),
            torch.randn(n, *shape, dtype=torch.float64),
        )
        for n in (1, 3)
    ]


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
    Case("feature pyramid, shared head", Pyramid, images(8), pyramid),
    Case("DeepLab, segmentation", Pooled, maps, ce, given=None),
    Case("U-Net, segmentation", UNet, maps, ce, given=None),
    Case("variational autoencoder", Autoencoder, images(8), elbo),
    Case("diffusion U-Net, two inputs", Diffusion, noise, mse,
         lambda model, batch: model(batch[0], batch[1])),
    Case("video, 3-d convolution and GRU", Volume, images(6), ce),
    Case("WaveNet", WaveNet, images(4), ce),
]  # fmt: skip
