"""The state of an unfinished fine-tuning in one file: safetensors with a note in its header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from bitknap.problems import DataError, write_atomically
from bitknap.problems.documents import parse_json
from bitknap.problems.schema import Seconds, convert
from bitknap.problems.storage import require_file

__all__ = ["resume", "save_state"]


@dataclass(frozen=True)
class _Note:
    key: str
    losses: list[float]
    seconds: Seconds


def save_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimizer: torch.optim.SGD,
    losses: Sequence[float],
    seconds: float,
) -> None:
    """Write parameters, buffers, steps and momentum.

    Args:
        path: the file.
        key: what identifies the fine-tuning.
        model: under training.
        optimizer: its optimizer.
        losses: of the epochs done.
        seconds: that they took.
    """
    tensors = {f"model.{name}": value for name, value in _unshared(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        if (momentum := state["momentum_buffer"]) is not None:
            tensors[f"momentum.{index}"] = momentum
    note = json.dumps({"key": key, "losses": list(losses), "seconds": seconds})
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    write_atomically(path, safetensors.torch.save(contiguous, {"state": note}))


def resume(
    path: Path | None, key: str, model: nn.Module, optimizer: torch.optim.SGD
) -> tuple[list[float], float]:
    """Losses and seconds of the epochs done; model and optimizer are set to their end.

    Raises:
        DataError: the file is damaged or of another fine-tuning.
    """
    if path is None or not path.exists():
        return [], 0.0
    require_file(path)
    wanted = _unshared(model)
    try:
        with safetensors.safe_open(path, "pt") as file:
            note = convert(_Note, parse_json((file.metadata() or {})["state"].encode()))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if note.key != key:
            raise DataError(f"{path} is of another fine-tuning; remove it to start again")
        shapes = {name: tensors[f"model.{name}"].shape for name in wanted}
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise DataError(f"{path} is no saved fine-tuning; remove it to start again") from error
    if any(shapes[name] != value.shape for name, value in wanted.items()):
        raise DataError(f"{path} is of another network; remove it to start again")
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(tensors[f"model.{name}"])
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        for index in group["params"]:
            if (momentum := tensors.get(f"momentum.{index}")) is not None:
                state["state"][index] = {"momentum_buffer": momentum}
    optimizer.load_state_dict(state)
    return note.losses, note.seconds


def _unshared(model: nn.Module) -> dict[str, Tensor]:
    """The state dict without second names of the same tensor."""
    seen: dict[int, str] = {}
    return {
        name: value
        for name, value in model.state_dict(keep_vars=True).items()
        if seen.setdefault(id(value), name) == name
    }
