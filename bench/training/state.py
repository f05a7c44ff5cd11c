"""The state of an unfinished training in one file, read without executing code."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bitknap.problems.errors import DataError
from bitknap.problems.storage import require_file, write_atomically


def save_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Mapping[str, Any],
) -> None:
    """Write parameters, buffers, the optimizer's state and the progress.

    Args:
        progress: numbers and lists of numbers.
    """
    content = {
        "key": key,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": dict(progress),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def resume(
    path: Path | None, key: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """The progress that a file holds, empty without one; model and optimizer are set to it.

    Raises:
        DataError: the file is damaged or of another training.
    """
    if path is None or not path.exists():
        return {}
    require_file(path)
    try:
        content = torch.load(path, weights_only=True)
    except Exception as error:  # torch.load names no set of exceptions for damaged files
        raise DataError(f"{path} is not a saved training; remove it to start again") from error
    if not isinstance(content, dict) or content.get("key") != key:
        raise DataError(
            f"{path} belongs to a training with another recipe, seed or data; "
            "remove it to start again"
        )
    try:
        model.load_state_dict(content["model"])
    except RuntimeError as error:
        raise DataError(f"{path} belongs to another network; remove it to start again") from error
    optimizer.load_state_dict(content["optimizer"])
    progress: dict[str, Any] = content["progress"]
    return progress
