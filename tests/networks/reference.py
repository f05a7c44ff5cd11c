"""Per-sample scores by plain autograd, one backward per sample, and what a table must cover."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from bitknap import Quantizer, SensitivityTable

Losses = Callable[[nn.Module, Any], Tensor]
"""``losses(model, batch)`` -> (N,): the forward pass and the loss in one."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a table: its kind in a word or two, and the figures."""

    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


def fold(model: nn.Module) -> nn.Module:
    """The network with every parametrized weight made a plain parameter of the same value."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(module, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(module, hook.name)
            elif isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)
    return model


def matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of two or more dimensions, each once, by its first name."""
    return {name: weight for name, weight in model.named_parameters() if weight.dim() > 1}


def gradients(
    model: nn.Module, batches: Sequence[Any], losses: Losses
) -> dict[str, list[Tensor | None]]:
    """Gradient of every sample's loss, one backward per sample, for every matrix weight.

    ``backward`` and not ``autograd.grad``: re-entrant checkpointing knows the former alone.
    """
    weights = matrices(model)
    found: dict[str, list[Tensor | None]] = {name: [] for name in weights}
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    for batch in batches:
        values = losses(model, batch)
        for value in values:
            if value.requires_grad:
                value.backward(retain_graph=True)
            for name, weight in weights.items():
                grad = weight.grad
                found[name].append(grad.to_dense() if grad is not None and grad.is_sparse else grad)
                weight.grad = None
    model.zero_grad()
    return found


def reached(rows: Sequence[Tensor | None]) -> bool:
    """Whether the gradient of any sample's loss is not zero."""
    return any(row is not None and bool(row.any()) for row in rows)


def faults(
    table: SensitivityTable,
    model: nn.Module,
    grads: Mapping[str, Sequence[Tensor | None]],
    quantizer: Quantizer,
    tolerance: float,
) -> list[Fault]:
    """Where scores or Omega differ from autograd's, and weights with a gradient left out.

    Args:
        table: with the metric ``fisher``.
        model: the folded network that the gradients are of.
        grads: of `gradients`.
        quantizer: the table's.
        tolerance: of a layer's scores, relative to its largest one.
    """
    result, names = [], {id(weight): name for name, weight in matrices(model).items()}
    covered = set()
    for index, layer in enumerate(table.layers):
        weight = _parameter(model, layer.parameter)
        if weight is None or id(weight) not in names:
            result.append(Fault("unknown layer", f"{layer.name}: no weight {layer.parameter}"))
            continue
        covered.add(names[id(weight)])
        want = _scores(weight, table, index, quantizer, grads[names[id(weight)]])
        result += _differences(table, index, want, tolerance)
    for name, rows in grads.items():
        if name not in covered and reached(rows):
            result.append(_left_out(table, name))
    return result


def _scores(
    weight: Tensor,
    table: SensitivityTable,
    index: int,
    quantizer: Quantizer,
    rows: Sequence[Tensor | None],
) -> Tensor:
    """(N, items of the layer) in float64."""
    kept = weight.detach()
    dim = table.layers[index].channel_dim
    moves = torch.stack(
        [
            (quantizer(kept, int(label), dim=dim) - kept).double().flatten()
            for label in table.labels[table.items(index)]
        ]
    )
    zero = moves.new_zeros(len(moves))
    return torch.stack([zero if row is None else moves @ row.double().flatten() for row in rows])


def _differences(
    table: SensitivityTable, index: int, want: Tensor, tolerance: float
) -> list[Fault]:
    name, items = table.layers[index].name, table.items(index)
    got = torch.tensor(table.scores["fisher"][:, items]).double()
    if got.shape != want.shape:
        return [Fault("wrong shape", f"{name}: {tuple(got.shape)}, autograd {tuple(want.shape)}")]
    largest = float(want.abs().max())
    if largest == 0:
        return [Fault("zero scores", f"{name}: accepted although no gradient reaches it")]
    gap = (got - want).abs()
    if not bool((gap <= tolerance * largest).all()):
        row, item = divmod(int(gap.nan_to_num(torch.inf).argmax()), want.shape[1])
        where = f"{name} {tuple(table.layers[index].shape)}, sample {row}, item {item}"
        words = f"{where}: score {float(got[row, item]):.6g}, autograd {float(want[row, item]):.6g}"
        return [Fault("wrong scores", words)]
    omega = torch.tensor(table.omega["fisher"][items])
    wanted = want.square().mean(dim=0) / 2
    if not torch.allclose(omega, wanted, rtol=1e-6, atol=3 * tolerance * float(wanted.max())):
        return [Fault("wrong omega", f"{name}: {omega[0]:.6g}, autograd {wanted[0]:.6g}")]
    return []


def _left_out(table: SensitivityTable, name: str) -> Fault:
    missing = getattr(getattr(table, "coverage", None), "missing", {})
    if name in missing:
        return Fault("left out", f"{name}: {missing[name]}")
    return Fault("left out in silence", name)


def _parameter(model: nn.Module, name: str) -> Tensor | None:
    try:
        return model.get_parameter(name)
    except AttributeError:
        return None
