"""Random draws without replacement."""

from __future__ import annotations

import torch
from torch import Tensor

from bitknap.problems.errors import DataError


def permutation(count: int, seed: int) -> Tensor:
    """``(count,)`` int64: 0 to ``count - 1`` in a random order, the same for the same seed."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def drawn(count: int, samples: int, seed: int) -> Tensor:
    """``(samples,)`` places among so many; fewer with the same seed are the first of more.

    Raises:
        DataError: there are not as many samples.
    """
    if not 1 <= samples <= count:
        raise DataError(f"cannot draw {samples:,} samples: choose from 1 to {count:,}")
    return permutation(count, seed)[:samples]
