"""Transformers written out: packed and raw projections, positions, class tokens, layouts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, causal, ce, floats, images, token_ce, words

W = 8
"""Features."""


class VisionTransformer(nn.Module):
    """Patches, a raw class token and raw positions."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, W, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, W) / 2)
        self.positions = nn.Parameter(torch.randn(1, 5, W) / 2)
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(W, 2, 16, activation="gelu", batch_first=True), 2,
            enable_nested_tensor=False,
        )  # fmt: skip
        self.out = nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.out(self.blocks(x)[:, 0])


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, W, 4, stride=4)
        self.tokens = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))
        self.channels = nn.Sequential(nn.Linear(W, 12), nn.GELU(), nn.Linear(12, W))
        self.a, self.b, self.out = nn.LayerNorm(W), nn.LayerNorm(W), nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        x = x + self.tokens(self.a(x).mT).mT
        return self.out((x + self.channels(self.b(x))).mean(1))


class SequenceFirst(nn.Module):
    """PyTorch's default layout: (T, N, features)."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.out = nn.TransformerEncoderLayer(W, 2, 16), nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(x.transpose(0, 1)).mean(0))


class Learned(nn.Module):
    """Learned positions, read by one row of indices."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(12, W), nn.Embedding(6, W)
        self.block = nn.TransformerEncoderLayer(W, 2, 16, batch_first=True, norm_first=True)
        self.out = nn.Linear(W, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1])[None])
        return self.out(self.block(x).mean(1))


class Translator(nn.Module):
    """``nn.Transformer``, sequence first, with masks."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, W)
        self.model = nn.Transformer(W, 2, 1, 1, 16)
        self.out = nn.Linear(W, 12)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids).transpose(0, 1)
        mask = nn.Transformer.generate_square_subsequent_mask(len(x), dtype=x.dtype)
        return self.out(self.model(x, x.cos(), tgt_mask=mask).transpose(0, 1))


class Einsum(nn.Module):
    """Attention by einsum with weights of three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Parameter(torch.randn(W, 2, 4) / 2) for _ in range(3))
        self.o, self.out = nn.Parameter(torch.randn(2, 4, W) / 2), nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (torch.einsum("ntd,dhe->nhte", x, w) for w in (self.q, self.k, self.v))
        out = (q @ k.mT / 2).softmax(-1) @ v
        return self.out((x + torch.einsum("nhte,hed->ntd", out, self.o)).mean(1))


class Decoder(nn.Module):
    """Rotary positions, RMS norms, grouped keys, SwiGLU, tied output: as in Llama."""

    def __init__(self, alibi: bool = False) -> None:
        super().__init__()
        self.alibi = alibi
        self.words = nn.Embedding(12, W)
        self.q, self.kv = nn.Linear(W, W, bias=False), nn.Linear(W, W, bias=False)
        self.o, self.norm = nn.Linear(W, W, bias=False), nn.RMSNorm(W)
        self.gate, self.up = nn.Linear(W, 16, bias=False), nn.Linear(W, 16, bias=False)
        self.down = nn.Linear(16, W, bias=False)

    def rotate(self, x: Tensor) -> Tensor:
        angle = torch.arange(x.shape[-2])[:, None] * torch.tensor([1.0, 0.1])
        a, b = x.chunk(2, -1)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        n, t, _ = x.shape
        z = self.norm(x)
        q = self.q(z).view(n, t, 2, 4).transpose(1, 2)
        k, v = self.kv(z).view(n, t, 2, 4).transpose(1, 2).split(1, 1)
        bias = torch.full((t, t), -torch.inf, dtype=x.dtype).triu(1)
        if self.alibi:
            far = (torch.arange(t)[None] - torch.arange(t)[:, None]).clamp(max=0)
            bias = bias + far * torch.tensor([0.5, 0.25], dtype=x.dtype)[:, None, None]
        else:
            q, k = self.rotate(q), self.rotate(k)
        attended = F.scaled_dot_product_attention(q, k.expand_as(q), v.expand_as(q), bias)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        z = self.norm(x)
        x = x + self.down(F.silu(self.gate(z)) * self.up(z))
        return F.linear(self.norm(x), self.words.weight)


class Windows(nn.Module):
    """Shifted windows with a table of relative biases (Swin, Liu et al. 2021), and merging."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.qkv = nn.Conv2d(3, W, 2, stride=2), nn.Linear(W, 3 * W)
        self.o, self.table = nn.Linear(W, W), nn.Parameter(torch.randn(9, 2) / 2)
        self.merge, self.out = nn.Linear(4 * W, W, bias=False), nn.Linear(W, 3)
        place = torch.stack(torch.meshgrid(*[torch.arange(2)] * 2, indexing="ij")).flatten(1)
        apart = place[:, :, None] - place[:, None] + 1
        self.register_buffer("index", apart[0] * 3 + apart[1])

    def attend(self, x: Tensor) -> Tensor:
        n, h, w, _ = x.shape
        folded = x.view(n, h // 2, 2, w // 2, 2, W).transpose(2, 3).reshape(-1, 4, W)
        q, k, v = self.qkv(folded).view(-1, 4, 3, 2, W // 2).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT + self.table[self.index].permute(2, 0, 1)
        out = self.o((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, 4, W))
        return out.view(n, h // 2, w // 2, 2, 2, W).transpose(2, 3).reshape(x.shape)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).permute(0, 2, 3, 1)
        x = x + self.attend(x)
        x = x + self.attend(x.roll((1, 1), (1, 2))).roll((-1, -1), (1, 2))
        parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.out(self.merge(torch.cat(parts, -1)).mean((1, 2)))


class Perceiver(nn.Module):
    """Learned latents that read the input by cross-attention, one block used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(3, W))
        self.read = nn.MultiheadAttention(W, 2, kdim=6, vdim=6, batch_first=True)
        self.think = nn.TransformerEncoderLayer(W, 2, 16, batch_first=True)
        self.out = nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.latents.expand(len(x), -1, -1)
        for _ in range(3):
            z = self.think(z + self.read(z, x, x)[0])
        return self.out(z.mean(1))


class LinearAttention(nn.Module):
    """Attention without softmax, one fused projection (Katharopoulos et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(6, 3 * W), nn.Linear(W, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        state = torch.einsum("ntd,nte->nde", k, v)
        return self.out((q @ state / (q @ k.sum(1)[..., None])).mean(1))


class Spectral(nn.Module):
    """Fourier mixing of tokens, and weights in the frequency domain (FNet, FNO)."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.out = nn.Linear(6, W), nn.Linear(W, 3)
        self.spectrum = nn.Parameter(torch.randn(W, W, 3, 2) / 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inside(x)
        x = x + torch.fft.fft2(x, dim=(1, 2)).real / 4
        modes = torch.fft.rfft(x, dim=1)[:, :3]
        mixed = torch.einsum("nkd,dek->nke", modes, torch.view_as_complex(self.spectrum))
        return self.out((x + torch.fft.irfft(mixed, n=x.shape[1], dim=1)).mean(1))


class Retentive(nn.Module):
    """Time mixing with a decay per channel and shifted tokens, as in RWKV."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, W)
        self.mix = nn.Parameter(torch.rand(3, 1, W))
        self.decay = nn.Parameter(torch.rand(1, W))
        self.k, self.v, self.r = (nn.Linear(W, W, bias=False) for _ in range(3))
        self.out = nn.Linear(W, 12)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        before = F.pad(x, (0, 0, 1, -1))
        k, v, r = (x * m + before * (1 - m) for m in self.mix)
        k, v, r = self.k(k).exp(), self.v(v), self.r(r).sigmoid()
        upper = lower = torch.zeros_like(x[:, 0])
        outputs = []
        for t in range(x.shape[1]):
            upper = upper * (-self.decay[0].exp()).exp() + k[:, t] * v[:, t]
            lower = lower * (-self.decay[0].exp()).exp() + k[:, t]
            outputs.append(r[:, t] * upper / lower)
        return self.out(torch.stack(outputs, 1))


def language() -> list[tuple[Tensor, Tensor]]:
    ids = [torch.randint(12, (n, 6)) for n in (1, 3)]
    return [(part, part) for part in ids]


CASES = [
    Case("ViT, raw class token and positions", VisionTransformer, images(8), ce),
    Case("MLP-Mixer", Mixer, images(8), ce),
    Case("TransformerEncoderLayer, sequence first", SequenceFirst, floats(5, W), ce),
    Case("learned positions", Learned, words(6, 12), ce),
    Case("nn.Transformer, sequence first", Translator, language, token_ce),
    Case("attention by einsum", Einsum, floats(5, W), ce),
    Case("rotary decoder, tied", Decoder, language, causal),
    Case("ALiBi decoder, tied", lambda: Decoder(alibi=True), language, causal),
    Case("shifted windows", Windows, images(8), ce),
    Case("Perceiver", Perceiver, floats(5, 6), ce),
    Case("linear attention", LinearAttention, floats(5, 6), ce),
    Case("Fourier mixing, complex weights", Spectral, floats(6, 6), ce),
    Case("RWKV-like", Retentive, language, causal),
]
