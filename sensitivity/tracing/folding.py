"""Turn networks whose weights are computed from other parameters into ones with plain weights.

A parametrized weight (weight or spectral normalisation, a pruning mask) is quantized in its
computed form: in a copy of the network, the computed weight replaces what it is computed from.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from bitknap.problems.errors import UnsupportedError

from .batches import tensors

_HOOKS: tuple[tuple[type, str, Any], ...] = (
    (WeightNorm, "name", remove_weight_norm),
    (SpectralNorm, "name", remove_spectral_norm),
    (prune.BasePruningMethod, "_tensor_name", prune.remove),
)
"""Hooks that compute a weight before each forward pass: type, where the name is, how to fold it."""


def folded(model: nn.Module) -> nn.Module:
    """The network itself, or a copy with plain weights where any is parametrized."""
    computed = any(parametrize.is_parametrized(module) for module in model.modules())
    return plain_copy(model) if computed or any(True for _ in _hooked(model)) else model


def plain_copy(model: nn.Module) -> nn.Module:
    """A copy in which every weight is a parameter of its own.

    Values that hooks left in modules are computed again; they are not leaves, which cannot be
    copied. What else cannot be copied (a lock, an open file) is shared.
    """
    held = [tensors(list(vars(module).values())) for module in model.modules()]
    memo: dict[int, Any] = {
        id(t): t.detach().clone() for found in held for t in found if not t.is_leaf
    }
    for module in model.modules():
        memo |= {id(value): value for value in _uncopyable(module, memo)}
    try:
        result = copy.deepcopy(model, memo)
    except Exception as error:
        raise UnsupportedError(
            f"the network cannot be copied ({type(error).__name__}: {error}); take what cannot be "
            "copied out of its modules"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module, fold, name in list(_hooked(result)):
            fold(module, name)
            if not isinstance(weight := getattr(module, name), nn.Parameter):
                delattr(module, name)
                setattr(module, name, nn.Parameter(weight.detach()))
    for module in list(result.modules()):
        if parametrize.is_parametrized(module):
            _fold_parametrized(module)
    return result


def _fold_parametrized(module: nn.Module) -> None:
    """PyTorch's own removal would take the property from the class, which the original shares."""
    owned = module.parametrizations
    assert isinstance(owned, nn.ModuleDict)
    with torch.no_grad():
        values = {name: getattr(module, name).detach().clone() for name in owned}
    trained = {name: any(True for _ in owned[name].parameters()) for name in owned}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in values.items():
        if trained[name]:
            setattr(module, name, nn.Parameter(value))
        else:
            module.register_buffer(name, value)


def _uncopyable(module: nn.Module, memo: Mapping[int, Any]) -> Iterator[Any]:
    """What a module holds beside parameters, buffers and modules that `copy.deepcopy` refuses."""
    for name, value in vars(module).items():
        if not name.startswith("_") and not isinstance(value, torch.Tensor | nn.Module):
            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                yield value


def _hooked(model: nn.Module) -> Iterator[tuple[nn.Module, Any, str]]:
    """Every weight that a hook computes: its module, the function that folds it, its name."""
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            for kind, attribute, fold in _HOOKS:
                if isinstance(hook, kind):
                    yield module, fold, getattr(hook, attribute)
