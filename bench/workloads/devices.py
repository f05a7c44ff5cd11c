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
    gpu, found = own_gpu(), torch.cuda.device_count()
    if gpu.index >= found:
        raise UnsupportedError(
            f"CUDA device {gpu.index} was asked for, but torch {torch.__version__} finds {found}; "
            "start fewer processes, or use --device cpu"
        )
    return gpu


def own_gpu() -> torch.device:
    """The GPU of this process: that of its ``LOCAL_RANK``, else the first."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
