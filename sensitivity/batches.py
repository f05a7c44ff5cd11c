"""Batches and outputs in the forms that networks use: tensors, tuples, mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

Batch = Any


def per_sample(losses: Tensor) -> Tensor:
    """The losses, checked to be one a sample."""
    if not isinstance(losses, Tensor) or losses.dim() != 1:
        got = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise UnsupportedError(
            f"the loss function must return one loss a sample, a tensor of shape (N,), got {got}; "
            "use reduction='none' and average over everything but the samples"
        )
    return losses


def default_forward(model: nn.Module, batch: Batch) -> Any:
    """``model(batch[0])`` for a pair, ``model(**batch)`` for a dict, ``model(batch)`` else."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(batch[0]) if isinstance(batch, tuple | list) else model(batch)


def cross_entropy(output: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each sample against its label, averaged over positions if any.

    Labels are ``batch[1]``, or the batch's entry ``labels`` or ``label`` when it is a dict.
    """
    losses = F.cross_entropy(logits(output), labels(batch), reduction="none")
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def logits(output: Any) -> Tensor:
    """The tensor of class scores (N, C, ...): the output itself, its ``logits``, or its first."""
    if isinstance(output, Mapping) and "logits" in output:
        output = output["logits"]
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise UnsupportedError(
            "the model's output must be a tensor, a tuple that starts with one, or a mapping with "
            f"'logits', got {type(output).__name__}; pass forward= to extract it"
        )
    return output


def labels(batch: Batch) -> Tensor:
    """The labels of a batch."""
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in ("labels", "label") if key in batch), None)
    else:
        found = batch[1] if isinstance(batch, tuple | list) and len(batch) > 1 else None
    if not isinstance(found, Tensor):
        raise UnsupportedError(
            "the batch holds no labels at batch[1], batch['labels'] or batch['label']; "
            "pass loss_fn=, or use a metric without labels"
        )
    return found


def confidence_loss(output: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each sample against the model's own most likely class: needs no labels."""
    scores = logits(output)
    losses = F.cross_entropy(scores, scores.detach().argmax(dim=1), reduction="none")
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def cut(batch: Batch, samples: int, count: int) -> Batch:
    """The first samples of a batch whose every tensor runs over samples, else all of it."""
    found = tensors(batch)
    if not found or any(t.dim() == 0 or len(t) != samples for t in found):
        return batch
    return _part(batch, slice(count))


def split(batches: Sequence[Batch], chunk: int | None) -> list[Batch]:
    """The batches, those of more than ``chunk`` samples cut into pieces of at most that many.

    Batches whose tensors do not all run over samples stay whole.

    Raises:
        DataError: the chunk is less than one sample.
    """
    if chunk is None:
        return list(batches)
    if chunk < 1:
        raise DataError(f"a chunk needs one sample at least, got {chunk}")
    pieces = []
    for batch in batches:
        lengths = {len(t) if t.dim() else 0 for t in tensors(batch)}
        samples = lengths.pop() if len(lengths) == 1 else 0
        starts = range(0, samples, chunk) if samples > chunk else ()
        pieces += [_part(batch, slice(start, start + chunk)) for start in starts] or [batch]
    return pieces


def tensors(value: Any) -> list[Tensor]:
    """All tensors of a nested value, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors(item)]
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in tensors(item)]
    return []


def device_of(model: nn.Module) -> torch.device:
    """The device of the network's first parameter."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def placed(value: Any, device: torch.device) -> Any:
    """A nested value with all its tensors on the device."""
    if hasattr(value, "to"):
        return value.to(device)
    return _changed(value, lambda item: placed(item, device))


def _part(value: Any, rows: slice) -> Any:
    if isinstance(value, Tensor):
        return value[rows]
    return _changed(value, lambda item: _part(item, rows))


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """A mapping, tuple or list with its items changed; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(change, value))
    if isinstance(value, tuple | list):
        return type(value)(map(change, value))
    return value
