"""Train the probe of the workload ``minilm``: ``python -m bitknap.bench.training.probe FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from bitknap.problems.storage import write_atomically

from ..datasets.wordnet import CLASSES, load_glosses
from ..networks.probe import fit_probe
from ..workloads.minilm import SPLIT_SEED, TEST, WIDTH, SentenceClassifier, load_encoder

TRAINING = 8000
"""Definitions that the probe is trained on: the first of the training part."""


def train() -> nn.Linear:
    """The probe on the float encoder's features."""
    encoder, tokens, _ = load_encoder()
    glosses, _ = load_glosses().split(TEST, SPLIT_SEED)
    network = SentenceClassifier(encoder, nn.Linear(WIDTH, len(CLASSES)))
    places = sorted(range(TRAINING), key=lambda place: len(glosses.texts[place]))
    batches = tokens.batches(glosses, places)
    with torch.no_grad():
        features = torch.cat([network.embed(ids, mask) for ids, _, mask in batches])
    return fit_probe(features, torch.cat([labels for _, labels, _ in batches]), len(CLASSES))


if __name__ == "__main__":
    write_atomically(Path(sys.argv[1]), safetensors.torch.save(train().state_dict()))
