"""Packed networks ``bitknap.packed/1``: codes at their true widths in a safetensors file.

The file has four tensors and no metadata:

* ``layout`` (U8): JSON compressed by zlib: ``format``, ``plan`` (a ``bitknap.plan/1`` document),
  ``layers`` (parameter, shape, dtype, bits, group size, channel dimensions, whether it has zero
  points), ``rest`` (name, shape and dtype of every other parameter and buffer, tied ones once),
  ``sha256`` (of the bytes of the other three tensors, one after another);
* ``codes`` (U8): for each layer the planes of its codes (see `planes`), ternary ones five to a
  byte in base 3, then with zero points the planes of these; of a layer with a ``format`` the bytes
  of that format, scales included;
* ``scales`` (F32): those of all layers, row by row;
* ``rest`` (U8): the bytes of all other tensors, in their order.

With u a code, z its zero point (2^(b-1), or 1 for ternary, where the layer has none) and s its
scale, a weight is float32((u - z) s). `docs/plans.md` reads a file with NumPy alone.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.schema import Count
from bitknap.sensitivity import SensitivityTable

from .codes import Dtype, PackedLayer, dtype_name, stored_weights
from .state import distinct_state

FORMAT = "bitknap.packed/1"

TENSORS = {"layout": np.uint8, "codes": np.uint8, "scales": np.float32, "rest": np.uint8}
"""Name and type of the tensors of a file, all of them vectors."""


@dataclass(frozen=True)
class StoredTensor:
    """A parameter or buffer that is stored as it is."""

    name: str
    shape: tuple[Count, ...]
    dtype: Dtype


@dataclass(frozen=True)
class Layout:
    """What the tensor ``layout`` holds."""

    format: Literal["bitknap.packed/1"]
    plan: dict[str, Any]
    layers: tuple[PackedLayer, ...]
    rest: tuple[StoredTensor, ...]
    sha256: str


def pack(
    model: nn.Module,
    network: nn.Module,
    table: SensitivityTable,
    choices: Mapping[str, str],
    plan: dict[str, Any],
    path: str | os.PathLike[str],
) -> int:
    """Write a quantized network; returns the bytes written.

    Args:
        model: the float network.
        network: of `apply_plan` for it, repaired or not.
        table: its layers and quantizer.
        choices: layer -> label.
        plan: document that goes with it.
        path: the file.

    Raises:
        DataError: a weight is not on the grid of its choice, or of a type that is not stored.
    """
    weights = stored_weights(model, network, table, choices)
    others = distinct_state(network, without=[weight.parameter for weight in weights])
    state = {name: value.detach().cpu() for name, value in others.items()}
    layers = [weight.layer for weight in weights]
    codes = [plane for weight in weights for plane in weight.planes()]
    scales = [weight.steps for weight in weights]
    rest = [
        StoredTensor(name, tuple(value.shape), dtype_name(value)) for name, value in state.items()
    ]
    empty = [np.zeros(0, dtype=np.uint8)]
    parts: dict[str, NDArray[Any]] = {
        "codes": np.concatenate(empty + codes),
        "scales": np.concatenate([np.zeros(0, dtype=np.float32), *(s.reshape(-1) for s in scales)]),
        "rest": np.concatenate(empty + [_bytes(value) for value in state.values()]),
    }
    layout = {
        "format": FORMAT,
        "plan": plan,
        "layers": [_described(layer) for layer in layers],
        "rest": [asdict(one) for one in rest],
        "sha256": digest(parts),
    }
    text = json.dumps(layout, separators=(",", ":")).encode()
    layout_bytes = np.frombuffer(zlib.compress(text, 9), dtype=np.uint8)
    content = safetensors.numpy.save({"layout": layout_bytes, **parts})
    write_atomically(path, content)
    return len(content)


def digest(parts: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the bytes of the tensors beside the layout."""
    content = b"".join(parts[name].tobytes() for name in ("codes", "scales", "rest"))
    return sha256(content).hexdigest()


def _described(layer: PackedLayer) -> dict[str, Any]:
    """As JSON; layers without a format are written as before there were any."""
    found = asdict(layer)
    if not layer.format:
        del found["format"]
    return found


def _bytes(value: Tensor) -> NDArray[np.uint8]:
    flat = value.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, dtype=np.uint8)
