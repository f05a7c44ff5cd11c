"""Packed networks ``bitknap.packed/1``: safetensors with codes at their true widths."""

from __future__ import annotations

import os
from dataclasses import dataclass

from torch import nn

from ..packed import pack
from ..unpacked import load_packed
from .base import Applied, Exported, NetworkTarget


@dataclass(frozen=True)
class Packed(NetworkTarget):
    """See `Plan.pack` and `load_packed`."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write the file."""
        plan = given.plan
        size = pack(given.model, given.network, plan.table, plan.choices, plan.document(), path)
        return Exported(size, given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """The network, bit for bit."""
        return load_packed(model, path)


TARGET = Packed()
