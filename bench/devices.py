"""Where a network runs."""

from __future__ import annotations

import os

import torch

from bitknap.problems.errors import UnsupportedError

DEVICES = ("cpu", "cuda")


def device_named(name: str) -> torch.device:
    """The device; under torchrun, each process of a machine has a GPU of its own.

    Raises:
        UnsupportedError: it is unknown, or not there.
    """
    if name not in DEVICES:
        raise UnsupportedError(f"the devices are {' and '.join(DEVICES)}, got {name!r}")
    if name == "cpu":
        return torch.device(name)
    own, found = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if own >= found:
        raise UnsupportedError(
            f"CUDA device {own} was asked for, but torch {torch.__version__} finds {found}; "
            "start fewer processes, or use --device cpu"
        )
    return torch.device(name, own)
