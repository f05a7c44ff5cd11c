"""What identifies a table: hashes of the network and of the data, versions, settings."""

from __future__ import annotations

import hashlib
import inspect
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

RECORDED_LATER = ("architecture", "behaviour", "forward", "loss", "weights")

CLOSE = 1e-3
"""Difference of outputs, against their root mean square, that rounding may make."""


def versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def hash_model(model: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, names included."""
    digest = hashlib.sha256(type(model).__qualname__.encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        _update(digest, value)
    return digest.hexdigest()


def hash_architecture(model: nn.Module) -> str:
    """SHA-256 of the modules as the model prints them, and of the code of their forward passes."""
    scripted = {m.code for m in model.modules() if isinstance(m, torch.jit.ScriptModule)}
    kinds = {type(m) for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)}
    code = sorted([*scripted, *(describe_function(kind.forward) for kind in kinds)])
    printed = re.sub(r" at 0x[0-9a-f]+", "", repr(model))
    return hashlib.sha256("\n".join([printed, *code]).encode()).hexdigest()


def hash_data(batches: Sequence[Any]) -> str:
    """SHA-256 of all tensors of all batches, in order."""
    digest = hashlib.sha256()
    for batch in batches:
        _update(digest, batch)
    return digest.hexdigest()


def describe_function(function: Callable[..., Any]) -> str:
    """Qualified name of a function and a digest of its code, so that an edited one differs.

    What decorators wrap is looked for inside. Values that it captures are not covered.
    """
    inner = inspect.unwrap(getattr(function, "func", function))
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    digest = hashlib.sha256()
    if code is not None:
        _update_code(digest, code)
    return f"{getattr(inner, '__module__', '')}.{name} {digest.hexdigest()[:12]}"


def changes(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Names of the facts in which two provenances differ.

    Facts that tables of earlier versions did not record are not held against them.
    """
    later = [name for name in RECORDED_LATER if name not in stored]
    names = {*stored, *current}.difference(later)
    return sorted(name for name in names if not _same(name, stored.get(name), current.get(name)))


def _same(name: str, one: Any, other: Any) -> bool:
    """Whether a fact is the same; outputs differ by rounding with the number of threads."""
    if name != "behaviour" or not isinstance(one, list) or not isinstance(other, list):
        return bool(one == other)
    if [len(values) for values in one] != [len(values) for values in other]:
        return False
    return all(
        abs(a - b) <= CLOSE * (max(mine[1], yours[1]) + 1e-30)
        for mine, yours in zip(one, other, strict=True)
        for a, b in zip(mine, yours, strict=True)
    )


def _update_code(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code + repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _update_code(digest, constant)
        else:
            plain = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            digest.update(repr(plain).encode())


def _update(digest: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{plain.dtype}{tuple(plain.shape)}".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, Mapping):
        for key in value:
            digest.update(repr(key).encode())
            _update(digest, value[key])
    elif isinstance(value, tuple | list):
        digest.update(f"[{len(value)}]".encode())
        for item in value:
            _update(digest, item)
    else:
        digest.update(repr(value).encode())
