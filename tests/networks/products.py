"""Weights used in other ways than by a layer: products, slices, parametrizations, hypernetworks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from .case import Case, ce, floats, images, mse, words


def p(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5)


class Products(nn.Module):
    """``x @ W.T``, ``W @ x``, einsum, bmm over experts in one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.e, self.left = p(8, 8), p(8, 8), p(8, 8)
        self.b, self.out = p(2, 8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("ni,oi->no", (x @ self.w.T).tanh(), self.e).tanh()
        x = (self.left @ x.T).T.tanh()
        return self.out(torch.bmm(x[None].expand(2, -1, -1), self.b).sum(0).tanh())


class Kan(nn.Module):
    """Kolmogorov-Arnold layers of sines (Liu et al. 2024)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = p(8, 6, 3), p(6, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        for w in (self.a, self.b):
            basis = torch.stack([torch.sin(k * x) for k in (1, 2, 3)], -1)
            x = torch.einsum("nik,iok->no", basis, w)
        return x


class Capsules(nn.Module):
    """Capsules with routing by agreement (Sabour et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.w = nn.Conv2d(1, 8, 3, stride=2), p(18, 3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        u = self.first(x).view(len(x), 2, 4, 9).permute(0, 1, 3, 2).reshape(len(x), 18, 4)
        votes = torch.einsum("nic,ijcd->nijd", u, self.w)
        logit = votes.new_zeros(votes.shape[:3])
        for _ in range(2):
            s = (logit.softmax(-1)[..., None] * votes).sum(1)
            v = s * s.norm(dim=-1, keepdim=True) / (1 + s.square().sum(-1, keepdim=True))
            logit = logit + (votes * v[:, None]).sum(-1)
        return v.norm(dim=-1) * 4


class Standardised(nn.Conv2d):
    """A convolution with standardised weights (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class Hyper(nn.Module):
    """A network whose other one makes its weights, per sample."""

    def __init__(self) -> None:
        super().__init__()
        self.make, self.out = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 16)), p(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        w = self.make(x[:, :4]).view(-1, 4, 4)
        return torch.bmm(x[:, None, 4:], w)[:, 0].tanh() @ self.out


class Film(nn.Module):
    """Features scaled and shifted by a condition (Perez et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.condition, self.a = nn.Linear(4, 16), nn.Conv2d(1, 8, 3, padding=1)
        self.b = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.condition(x.mean(2)[:, 0, :4])[..., None, None].chunk(2, 1)
        return self.b((self.a(x) * scale + shift).tanh().mean((2, 3)))


class LowRank(nn.Module):
    """A frozen layer with a low-rank change, one as two products and one merged (LoRA)."""

    def __init__(self) -> None:
        super().__init__()
        self.base, self.out = nn.Linear(8, 8), nn.Linear(8, 3)
        self.base.requires_grad_(False)
        self.a, self.b, self.c, self.d = p(8, 2), p(2, 8), p(8, 2), p(2, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = (self.base(x) + x @ self.b.T @ self.a.T).tanh()
        return self.out(F.linear(x, self.base.weight + self.c @ self.d).tanh())


class Conditional(nn.Module):
    """A mixture of kernels per sample, samples as groups of one convolution (Yang et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.route, self.kernels, self.out = nn.Linear(2, 3), p(3, 6, 2, 3, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        share = self.route(x.mean((2, 3))).sigmoid()
        kernels = (share @ self.kernels.flatten(1)).view(n * 6, c, 3, 3)
        y = F.conv2d(x.reshape(1, n * c, h, w), kernels, padding=1, groups=n)
        return self.out(y.view(n, 6, h, w).tanh().mean((2, 3)))


class Implicit(nn.Module):
    """A fixed point of z = tanh(W z + U x), unrolled: one weight thirty times (DEQ)."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.u, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        with torch.no_grad():
            self.w.weight *= 0.5

    def forward(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        for _ in range(30):
            z = torch.tanh(self.w(z) + self.u(x))
        return self.out(z)


class Siamese(nn.Module):
    """One branch for both inputs, run on them stacked, and a bilinear comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
        self.compare = nn.Bilinear(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.branch(torch.cat([x[:, 0], x[:, 1]])).chunk(2)
        return self.compare(a, b)


class Clifford(nn.Module):
    """Quaternion linear layer: one parameter's slices build a larger matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.out = p(4, 2, 2), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        r, i, j, k = self.w
        rows = [(r, -i, -j, -k), (i, r, -k, j), (j, k, r, -i), (k, -j, i, r)]
        matrix = torch.cat([torch.cat(row, 1) for row in rows])
        return self.out((x @ matrix).tanh())


class Attention2(nn.Module):
    """Neural memory: keys and values are parameters (product keys, Lample et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.keys, self.values = nn.Linear(8, 8), p(2, 4, 4), p(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.query(x).view(len(x), 2, 4).unbind(1)
        scores = (a @ self.keys[0].T)[:, :, None] + (b @ self.keys[1].T)[:, None]
        best, index = scores.flatten(1).topk(3)
        return (best.softmax(-1)[..., None] * self.values[index]).sum(1)


class Prototypes(nn.Module):
    """Distances to learned prototypes, and cosine similarity to normalised classes."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.prototypes, self.classes = nn.Linear(8, 4), p(5, 4), p(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        near = (-torch.cdist(self.inside(x), self.prototypes)).exp()
        return 4 * F.normalize(near, dim=-1) @ F.normalize(self.classes, dim=-1).T


class Tanh(nn.Module):
    """A parametrization."""

    def forward(self, w: Tensor) -> Tensor:
        return w.tanh()


class Symmetric(nn.Module):
    """A parametrization."""

    def forward(self, w: Tensor) -> Tensor:
        return w.triu() + w.triu(1).mT


def mlp(change: object = None) -> nn.Sequential:
    """Three linear layers, the middle one changed."""
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    if change is not None:
        change(model[2])  # type: ignore[operator]
    return model


def standardised() -> nn.Module:
    return nn.Sequential(
        Standardised(3, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), Standardised(6, 8, 3, stride=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def tied_autoencoder() -> nn.Module:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.w(x).tanh(), self.w.weight.T)

    return Tied()


def recommender() -> nn.Module:
    """Two towers of embedding bags."""

    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.user, self.item = nn.EmbeddingBag(12, 6), nn.EmbeddingBag(12, 6, mode="sum")
            self.out = nn.Bilinear(6, 6, 3)

        def forward(self, ids: Tensor) -> Tensor:
            return self.out(self.user(ids[:, :3]), self.item(ids[:, 3:]))

    return Towers()


def factorization_machine() -> nn.Module:
    class Machine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v, self.w = nn.Embedding(12, 4), nn.Embedding(12, 3)
            self.out = nn.Linear(4, 3)

        def forward(self, ids: Tensor) -> Tensor:
            v = self.v(ids)
            pairs = v.sum(1).square() - v.square().sum(1)
            return self.out(pairs) + self.w(ids).sum(1)

    return Machine()


X = floats(8)
CASES = [
    Case("x @ W.T, W @ x, einsum, bmm", Products, X, ce),
    Case("KAN", Kan, X, ce),
    Case("capsules", Capsules, images(8, 1), ce),
    Case("standardised weights", standardised, images(10), ce),
    Case("hypernetwork", Hyper, X, ce),
    Case("FiLM", Film, images(6, 1), ce),
    Case("LoRA, beside and merged", LowRank, X, ce),
    Case("conditional convolution", Conditional, images(6, 2), ce),
    Case("fixed point, thirty uses", Implicit, X, ce),
    Case("siamese, bilinear", Siamese, floats(2, 8), ce),
    Case("quaternion layer", Clifford, X, ce),
    Case("product-key memory", Attention2, floats(8, sizes=(1, 8)), ce),
    Case("prototypes", Prototypes, X, ce),
    Case("autoencoder, tied transposed", tied_autoencoder, lambda: [
        (x, x) for x in (torch.randn(n, 8, dtype=torch.float64) for n in (1, 3))
    ], mse),
    Case("weight_norm", lambda: mlp(parametrizations.weight_norm), X, ce, given=None),
    Case("weight_norm, old", lambda: mlp(weight_norm), X, ce, given=None),
    Case("spectral_norm", lambda: mlp(parametrizations.spectral_norm), X, ce),
    Case("spectral_norm, old", lambda: mlp(spectral_norm), X, ce),
    Case("pruned", lambda: mlp(lambda m: prune.random_unstructured(m, "weight", 0.4)), X, ce),
    Case("orthogonal", lambda: mlp(parametrizations.orthogonal), X, ce),
    Case("two parametrizations", lambda: mlp(lambda m: [
        parametrize.register_parametrization(m, "weight", one) for one in (Symmetric(), Tanh())
    ]), X, ce),
    Case("least squares quantizer", mlp, X, ce, given=None, quantizer="scale=least_squares"),
    Case("groups of weights", mlp, X, ce, None, None, quantizer="affine,group=4,scale=minmax"),
    Case("two towers of embedding bags", recommender, words(6, 12), ce),
    Case("factorization machine", factorization_machine, words(6, 12), ce),
]  # fmt: skip
