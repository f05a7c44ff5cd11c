"""Recurrent networks: layers and cells, one and two directions, encoders with decoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from .case import Case, causal, ce, floats, token_ce, words


class Last(nn.Module):
    """A recurrent layer's last output, and a linear layer."""

    def __init__(self, layer: nn.Module, width: int, first: bool = True) -> None:
        super().__init__()
        self.layer, self.out, self.first = layer, nn.Linear(width, 3), first

    def forward(self, x: Tensor) -> Tensor:
        if self.first:
            return self.out(self.layer(x)[0][:, -1])
        return self.out(self.layer(x.transpose(0, 1))[0][-1])


class Cells(nn.Module):
    """Two cells unrolled by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.LSTMCell(6, 8), nn.GRUCell(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = c = g = x.new_zeros(len(x), 8)
        for step in x.unbind(1):
            h, c = self.a(step, (h, c))
            g = self.b(h, g)
        return self.out(g)


class Translator(nn.Module):
    """Encoder and decoder with additive attention (Bahdanau, Cho, Bengio 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(12, 8), nn.Embedding(9, 8)
        self.encoder = nn.GRU(8, 8, bidirectional=True, batch_first=True)
        self.cell, self.out = nn.GRUCell(8 + 16, 8), nn.Linear(8, 9)
        self.query, self.key = nn.Linear(8, 8, bias=False), nn.Linear(16, 8, bias=False)
        self.score = nn.Parameter(torch.randn(8))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.encoder(self.source(source))[0]
        keys, h, outputs = self.key(memory), memory[:, 0, :8], []
        for word in self.target(target).unbind(1):
            weights = ((self.query(h)[:, None] + keys).tanh() @ self.score).softmax(-1)
            context = (weights[..., None] * memory).sum(1)
            h = self.cell(torch.cat([word, context], -1), h)
            outputs.append(self.out(h))
        return torch.stack(outputs, 1)


class Packed(nn.Module):
    """Sequences of different lengths, packed."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, 6, padding_idx=0)
        self.layer, self.out = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        lengths = (ids != 0).sum(1)
        packed = rnn.pack_padded_sequence(
            self.words(ids), lengths, batch_first=True, enforce_sorted=False
        )
        return self.out(self.layer(packed)[1][0][-1])


class LanguageModel(nn.Module):
    """LSTM with projection whose output layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.layer = nn.LSTM(8, 16, 2, proj_size=8, batch_first=True)
        self.out = nn.Linear(8, 20)
        self.out.weight = self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.layer(self.words(ids))[0])


class QuasiRecurrent(nn.Module):
    """Gates by convolution, a recurrence without weights (QRNN, Bradbury et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.out = nn.Conv1d(6, 16, 2, padding=1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        z, f = self.gates(x.mT)[..., : x.shape[1]].chunk(2, 1)
        z, f, h = z.tanh(), f.sigmoid(), x.new_zeros(len(x), 8)
        for t in range(x.shape[1]):
            h = f[..., t] * h + (1 - f[..., t]) * z[..., t]
        return self.out(h)


class StateSpace(nn.Module):
    """A diagonal state space layer with raw parameters, scanned (S4D, Gu et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.rand(6, 4))
        self.b, self.c = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(6, 4))
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        decay, h, outputs = (-self.a.exp()).exp(), x.new_zeros(len(x), 6, 4), []
        for step in x.unbind(1):
            h = decay * h + self.b * step[..., None]
            outputs.append((h * self.c).sum(-1))
        return self.out(torch.stack(outputs).mean(0))


class Reservoir(nn.Module):
    """An echo state network: a recurrence by ``x @ W`` of raw parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Parameter(torch.randn(6, 8) / 3)
        self.around = nn.Parameter(torch.randn(8, 8) / 3)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 8)
        for step in x.unbind(1):
            h = torch.tanh(step @ self.inside + h @ self.around)
        return self.out(h)


def translations() -> list[Any]:
    return [
        {
            "source": torch.randint(12, (n, 5)),
            "target": torch.randint(9, (n, t)),
            "labels": torch.randint(9, (n, t)),
        }
        for n, t in ((1, 3), (3, 4))
    ]


def padded() -> list[Any]:
    batches = []
    for n in (1, 4):
        ids = torch.randint(1, 12, (n, 6))
        for row, length in zip(ids, (4, 6, 1, 3), strict=False):
            row[length:] = 0
        batches.append((ids, torch.randint(3, (n,))))
    return batches


def language() -> list[Any]:
    ids = [torch.randint(20, (n, 6)) for n in (1, 3)]
    return [(part, part) for part in ids]


def translate(model: nn.Module, batch: Any) -> Any:
    return model(batch["source"], batch["target"])


S = floats(5, 6)
CASES = [
    Case("RNN", lambda: Last(nn.RNN(6, 8, batch_first=True), 8), S, ce),
    Case("RNN of ReLU, two layers", lambda: Last(nn.RNN(6, 8, 2, "relu"), 8, False), S, ce),
    Case("GRU", lambda: Last(nn.GRU(6, 8, batch_first=True), 8), S, ce),
    Case("GRU, sequence first", lambda: Last(nn.GRU(6, 8), 8, False), S, ce),
    Case("LSTM", lambda: Last(nn.LSTM(6, 8, 2, batch_first=True), 8), S, ce),
    Case(
        "LSTM, bidirectional",
        lambda: Last(nn.LSTM(6, 8, bidirectional=True, batch_first=True), 16),
        S,
        ce,
    ),
    Case(
        "GRU, bidirectional, sequence first, two layers",
        lambda: Last(nn.GRU(6, 8, 2, bidirectional=True), 16, False),
        S,
        ce,
    ),
    Case("LSTMCell and GRUCell", Cells, S, ce),
    Case("encoder and decoder with attention", Translator, translations, token_ce, translate),
    Case("packed sequences", Packed, padded, ce),
    Case("LSTM language model, tied", LanguageModel, language, causal),
    Case("QRNN", QuasiRecurrent, S, ce),
    Case("diagonal state space", StateSpace, S, ce),
    Case("echo state network", Reservoir, S, ce),
    Case(
        "text classifier, embedding and LSTM",
        lambda: nn.Sequential(nn.Embedding(12, 6), Last(nn.LSTM(6, 8, batch_first=True), 8)),
        words(5, 12),
        ce,
        given=None,
    ),
]
