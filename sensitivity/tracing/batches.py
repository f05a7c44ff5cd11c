"""Batches in the forms that networks use: tensors, tuples, mappings, nested."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bitknap.problems.errors import DataError, UnsupportedError

Batch = Any
Forward = Callable[[nn.Module, Batch], Any]
LossFn = Callable[[Any, Batch], Tensor]

LABELS = ("labels", "label")
"""Keys of a mapping that hold labels."""


def per_sample(losses: Any) -> Tensor:
    """The losses, checked to be one per sample, of one sample or more."""
    if not isinstance(losses, Tensor) or losses.dim() != 1:
        got = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise UnsupportedError(
            "the loss function must return one loss per sample, a tensor of shape (N,), "
            f"got {got}; use reduction='none' and average over everything but the samples"
        )
    if not len(losses):
        raise DataError("a batch holds no samples; leave empty batches out")
    return losses


def default_forward(model: nn.Module, batch: Batch) -> Any:
    """``model(batch[0])`` for a pair, ``model(**batch)`` for a mapping, ``model(batch)`` else.

    Labels of a mapping are left out where the model's ``forward`` does not take them.

    Raises:
        UnsupportedError: a tuple of more than two, or a key that ``forward`` does not take.
    """
    if isinstance(batch, Mapping):
        return model(**_taken(model, batch))
    if not isinstance(batch, tuple | list):
        return model(batch)
    if not 1 <= len(batch) <= 2:
        raise UnsupportedError(
            f"a batch is a {type(batch).__name__} of {len(batch)}, expected (inputs, labels); say "
            "which the model takes, e.g. forward=lambda model, batch: model(batch[0], batch[1])"
        )
    return model(batch[0])


def _taken(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``forward`` in a mapping."""
    try:
        known = inspect.signature(model.forward).parameters
    except (TypeError, ValueError):
        return dict(batch)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        return dict(batch)
    other = [key for key in batch if key not in known and key not in LABELS]
    if other:
        raise UnsupportedError(
            f"the model's forward takes no {other[0]!r}, which the batch holds; it takes "
            f"{', '.join(known)}: leave it out of the batch or pass forward="
        )
    return {key: value for key, value in batch.items() if key in known}


def labels(batch: Batch) -> Tensor:
    """The labels: ``batch[1]`` of a pair, ``batch["labels"]`` or ``batch["label"]`` of a mapping.

    Raises:
        UnsupportedError: there are none, or it is not clear which they are.
    """
    if isinstance(batch, tuple | list) and len(batch) > 2:
        raise UnsupportedError(
            f"a batch is a {type(batch).__name__} of {len(batch)}, expected (inputs, labels); say "
            "which are the labels, e.g. loss_fn=lambda output, batch: "
            "torch.nn.functional.cross_entropy(output, batch[-1], reduction='none')"
        )
    found = labels_if_any(batch)
    if found is None:
        raise UnsupportedError(
            "the batch holds no labels at batch[1], batch['labels'] or batch['label']; "
            "pass loss_fn=, or name metrics that need none, such as mc_fisher, kl or weight_mse"
        )
    return found


def labels_if_any(batch: Batch) -> Tensor | None:
    """The labels where a batch holds some where `labels` looks for them."""
    if isinstance(batch, Mapping):
        found = next((batch[key] for key in LABELS if key in batch), None)
    else:
        found = batch[1] if isinstance(batch, tuple | list) and len(batch) == 2 else None
    return found if isinstance(found, Tensor) else None


def layout(value: Any) -> Any:
    """Nesting, shapes and types of all tensors: equal for batches that are laid out alike."""
    if isinstance(value, Tensor):
        return tuple(value.shape), str(value.dtype)
    if isinstance(value, Mapping):
        return tuple((str(key), layout(item)) for key, item in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(layout, value))
    return type(value).__name__


def can_be_cut(batch: Batch, samples: int) -> bool:
    """Whether the batch's every tensor runs over samples."""
    found = tensors(batch)
    return bool(found) and all(t.dim() > 0 and len(t) == samples for t in found)


def take(batch: Batch, rows: slice | Sequence[int]) -> Batch:
    """Some samples of a batch that can be cut."""
    if isinstance(batch, Tensor):
        return batch[rows]
    return _changed(batch, lambda item: take(item, rows))


def cut(batch: Batch, samples: int, count: int) -> Batch:
    """The first samples of a batch that can be cut, else all of it."""
    return take(batch, slice(count)) if can_be_cut(batch, samples) else batch


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
        pieces += [take(batch, slice(start, start + chunk)) for start in starts] or [batch]
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


def read_batches(batches: Iterable[Batch], place: torch.device) -> list[Batch]:
    """All batches, read once, with tensors on the device.

    Raises:
        DataError: they are none, one batch, or single samples of a data set.
    """
    if isinstance(batches, Tensor | Mapping) or _is_pair(batches):
        raise DataError("batches is one batch; pass a list of batches, [batch]")
    try:
        reader = iter(batches)
    except TypeError:
        raise DataError(
            f"batches must be a list or loader of batches, got {type(batches).__name__}"
        ) from None
    found = list(map(as_tensors, reader))
    if not found:
        raise DataError("there are no calibration batches; at least one is needed")
    if _is_sample(found[0]):
        raise DataError(
            "the first batch is a single sample with its label; pass a loader, such as "
            "torch.utils.data.DataLoader(data, batch_size=64)"
        )
    if any(any(t.dim() and not len(t) for t in tensors(batch)) for batch in found):
        raise DataError("a batch holds no samples; leave empty batches out")
    return found if place.type == "cpu" else [placed(batch, place) for batch in found]


def _is_pair(batches: Any) -> bool:
    """Whether a tuple is inputs and their labels, which have fewer dimensions."""
    arrays = Tensor | np.ndarray
    return (
        isinstance(batches, tuple)
        and len(batches) == 2
        and all(isinstance(part, arrays) for part in batches)
        and 0 < batches[1].ndim < batches[0].ndim
    )


def _is_sample(batch: Batch) -> bool:
    """Whether a pair's label is one whole number."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        return False
    label = batch[1]
    if isinstance(label, Tensor):
        return not label.dim() and not label.is_floating_point()
    return isinstance(label, int | np.integer)


def as_tensors(value: Any) -> Any:
    """A nested value with NumPy arrays as tensors, and none made under ``inference_mode``."""
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(value)
        except TypeError:
            raise DataError(
                f"a batch holds an array of {value.dtype}, which is not a tensor"
            ) from None
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    return _changed(value, as_tensors)


def placed(value: Any, device: torch.device) -> Any:
    """A nested value with all its tensors on the device."""
    if hasattr(value, "to"):
        return value.to(device)
    return _changed(value, lambda item: placed(item, device))


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """A mapping, tuple or list with its items changed; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(change, value))
    if isinstance(value, tuple | list):
        return type(value)(map(change, value))
    return value
