"""Losses of each sample: the default ones, and PyTorch's loss modules.

The default is the cross-entropy of class indices. What it applies to follows from the shapes and,
where a model returns a loss of its own, from which reading of its output gives that loss. Nothing
is guessed: whatever has two readings, or none, is refused with the ``loss_fn`` to write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.problems.errors import UnsupportedError

from .batches import Batch, labels, labels_if_any

IGNORED = -100
"""The label of a position without a label, as PyTorch has it."""

HINT = (
    "pass loss_fn=lambda output, batch: ... that gives the (N,) losses, e.g. "
    "torch.nn.functional.cross_entropy(output, batch[1], reduction='none')"
)

Reading = tuple[Tensor, Tensor]
"""Class scores (N, C, ...) and labels (N, ...)."""


def cross_entropy(output: Any, batch: Batch) -> Tensor:
    """(N,) cross-entropy of each sample against its labels, averaged over its labelled positions.

    Labels are ``batch[1]`` or the batch's entry ``labels`` or ``label``; those of -100 count for
    nothing.

    Raises:
        UnsupportedError: output and labels can be read in no way, or in more than one.
    """
    scores, target = aligned(output, batch)
    return _mean(F.cross_entropy(scores, target, reduction="none"), target != IGNORED)


def confidence_loss(output: Any, batch: Batch) -> Tensor:
    """(N,) cross-entropy of each sample against the most likely class: needs no labels."""
    scores = class_scores(output, batch)
    losses = F.cross_entropy(scores, scores.detach().argmax(dim=1), reduction="none")
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def module_loss(module: nn.Module) -> Callable[[Any, Batch], Tensor]:
    """The losses of a PyTorch loss module with ``reduction='none'``, averaged over each sample.

    Raises:
        UnsupportedError: it reduces over the samples.
    """
    if getattr(module, "reduction", None) != "none":
        raise UnsupportedError(
            f"loss_fn={module!r} averages over the samples; make it with reduction='none'"
        )
    return partial(_by_module, module)


def _by_module(module: nn.Module, output: Any, batch: Batch) -> Tensor:
    target = labels(batch)
    if isinstance(module, nn.CrossEntropyLoss | nn.NLLLoss) and not target.is_floating_point():
        scores, target = aligned(output, batch, ignored=module.ignore_index)
        return _mean(module(scores, target), target != module.ignore_index)
    scores = logits(output)
    if scores.shape != target.shape:
        raise UnsupportedError(
            f"{type(module).__name__} compares outputs of shape {tuple(scores.shape)} with labels "
            f"of shape {tuple(target.shape)}, which must be equal; {HINT}"
        )
    losses: Tensor = module(scores, target.to(scores.dtype))
    return losses.flatten(1).mean(dim=1) if losses.dim() > 1 else losses


def logits(output: Any) -> Tensor:
    """The tensor of scores: the output itself, its ``logits``, or its first; float32 or wider."""
    if isinstance(output, Mapping):
        output = output.get("logits", output)
    elif not isinstance(output, Tensor | tuple | list):
        output = getattr(output, "logits", output)
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor) or not output.is_floating_point():
        got = output.dtype if isinstance(output, Tensor) else type(output).__name__
        raise UnsupportedError(
            "the model's output must be a tensor of floats, a tuple that starts with one, or have "
            f"'logits', got {got}; pass forward= to extract it"
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))


def class_scores(output: Any, batch: Batch) -> Tensor:
    """(N, C, ...) scores of C classes, at every position if any; needs no labels.

    Of an output with positions, labels tell which dimension holds the classes; in a mapping of
    three dimensions it is the last, as all language models have it.

    Raises:
        UnsupportedError: nothing tells.
    """
    scores = logits(output)
    if scores.dim() == 2:
        return _of_classes(scores)
    if scores.dim() > 2 and not isinstance(output, Tensor | tuple | list):
        return _of_classes(scores.movedim(-1, 1) if scores.dim() == 3 else scores)
    target = labels_if_any(batch)
    if target is not None and not target.is_floating_point() and scores.dim() > 2:
        return _reading(output, scores, target.long(), batch, IGNORED)[0]
    raise UnsupportedError(
        f"the model's output has shape {tuple(scores.shape)}, and no labels tell which dimension "
        "holds the classes; pass forward= that returns (N, C)"
    )


def aligned(output: Any, batch: Batch, ignored: int = IGNORED) -> Reading:
    """Class scores (N, C, ...) and their labels (N, ...), in float32 or wider and int64.

    Raises:
        UnsupportedError: the labels are not class indices, or fit the output in no way or two.
    """
    scores, target = logits(output), labels(batch)
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise UnsupportedError(
            f"the default loss takes class indices, and the labels are {target.dtype}; {HINT}, or "
            "a module such as torch.nn.MSELoss(reduction='none')"
        )
    scores, target = _reading(output, scores, target.long(), batch, ignored)
    known = target[target != ignored]
    if known.numel() and not 0 <= int(known.min()) <= int(known.max()) < scores.shape[1]:
        raise UnsupportedError(
            f"labels run from {int(known.min())} to {int(known.max())}, and the output has "
            f"{scores.shape[1]} classes; for labels that mean nothing pass "
            "loss_fn=torch.nn.CrossEntropyLoss(ignore_index=..., reduction='none')"
        )
    empty = (
        (target != ignored).flatten(1).any(dim=1).logical_not()
        if target.dim() > 1
        else (target == ignored)
    )
    if bool(empty.any()):
        raise UnsupportedError(
            f"sample {int(empty.nonzero()[0])} of a batch has no label but {ignored}, so no loss; "
            "leave it out"
        )
    return scores, target


def _reading(output: Any, scores: Tensor, target: Tensor, batch: Batch, ignored: int) -> Reading:
    if target.dim() == scores.dim() == 2 and target.shape[1] == 1:
        target = target[:, 0]
    model_loss = (
        output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    )
    if isinstance(model_loss, Tensor) and model_loss.numel() == 1 and scores.dim() > 2:
        return _as_the_model(scores, target, model_loss, ignored)
    readings = _by_shape(scores, target)
    if len(readings) != 1:
        what = "fit in no way" if not readings else "fit in two ways"
        raise UnsupportedError(
            f"outputs of shape {tuple(scores.shape)} and labels of shape {tuple(target.shape)} "
            f"{what}; {HINT}"
        )
    if target.dim() > 1 and _repeats_inputs(batch, target, ignored):
        raise UnsupportedError(
            "the labels are the inputs themselves, so a language model's have to be shifted by one "
            "position; pass loss_fn=, or labels that are shifted"
        )
    return _of_classes(readings[0][0]), readings[0][1]


def _by_shape(scores: Tensor, target: Tensor) -> list[Reading]:
    """Every way to take one dimension of the scores for classes, the others for the labels'."""
    if scores.dim() != target.dim() + 1 or scores.shape[0] != target.shape[0]:
        return []
    shape, found = tuple(scores.shape), []
    for dim in {1, scores.dim() - 1}:
        if shape[:dim] + shape[dim + 1 :] == tuple(target.shape):
            found.append((scores.movedim(dim, 1), target))
    return found


def _as_the_model(scores: Tensor, target: Tensor, model_loss: Tensor, ignored: int) -> Reading:
    """The reading whose mean over all labels is the loss that the model itself returned."""
    candidates = [(*pair, IGNORED) for pair in _by_shape(scores, target)]
    if scores.dim() == 3 and target.shape == scores.shape[:2] and scores.shape[1] > 1:
        candidates.append((scores[:, :-1].movedim(-1, 1), target[:, 1:], IGNORED))
    if scores.dim() == 4 and target.dim() == 3:
        wide = F.interpolate(scores, size=target.shape[-2:], mode="bilinear", align_corners=False)
        candidates.append((wide, target, 255))
    wanted = float(model_loss.detach())
    gap, found = math.inf, None
    for classes, indices, unlabelled in candidates:
        known = indices[indices != unlabelled]
        if known.numel() and 0 <= int(known.min()) <= int(known.max()) < classes.shape[1]:
            mean = float(F.cross_entropy(classes.detach(), indices, ignore_index=unlabelled))
            if abs(mean - wanted) < gap:
                gap = abs(mean - wanted)
                found = classes, torch.where(indices == unlabelled, ignored, indices)
    rough = model_loss.dtype in (torch.float16, torch.bfloat16)
    if found is None or gap > (2e-2 if rough else 1e-4) * abs(wanted) + 1e-6:
        raise UnsupportedError(
            f"the model's own loss, {wanted:.4g}, is not the cross-entropy of its logits "
            f"{tuple(scores.shape)} with the labels {tuple(target.shape)}; {HINT}"
        )
    return found


def _of_classes(scores: Tensor) -> Tensor:
    if scores.shape[1] < 2:
        raise UnsupportedError(
            f"the output has shape {tuple(scores.shape)}, one class, whose cross-entropy is always "
            "0; pass loss_fn=, e.g. torch.nn.BCEWithLogitsLoss(reduction='none') or MSELoss"
        )
    return scores


def _repeats_inputs(batch: Batch, target: Tensor, ignored: int) -> bool:
    inputs = batch.get("input_ids") if isinstance(batch, Mapping) else batch[0]
    if not isinstance(inputs, Tensor) or inputs.shape != target.shape:
        return False
    return bool(((inputs == target) | (target == ignored)).all())


def _mean(losses: Tensor, counted: Tensor) -> Tensor:
    """(N,) means over the positions that count; the others are 0."""
    if losses.dim() == 1:
        return losses
    return losses.flatten(1).sum(dim=1) / counted.flatten(1).sum(dim=1)
