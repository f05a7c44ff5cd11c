"""Networks from images to maps and images, and of sound and video."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, ce, images, mse
from .images import conv


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


CASES = [
    Case("feature pyramid, shared head", Pyramid, images(8), pyramid),
    Case("DeepLab, segmentation", Pooled, maps, ce, given=None),
    Case("U-Net, segmentation", UNet, maps, ce, given=None),
    Case("variational autoencoder", Autoencoder, images(8), elbo),
    Case("diffusion U-Net, two inputs", Diffusion, noise, mse,
         lambda model, batch: model(batch[0], batch[1])),
    Case("video, 3-d convolution and GRU", Volume, images(6), ce),
    Case("WaveNet", WaveNet, images(4), ce),
]  # fmt: skip
