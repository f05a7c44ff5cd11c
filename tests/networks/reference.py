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
    """The network with every parametrized weight made a plain parameter of the same value.

    PyTorch makes a buffer of a computed weight whose parts are frozen.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
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
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
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


@dataclass(frozen=True)
class Truth:
    """A folded network and its data, with the gradients of its samples' losses.

    Args:
        model: the folded network.
        batches: of the calibration.
        losses: forward pass and loss.
        quantizer: the table's.
        tolerance: of a layer's figures, relative to its largest one.
        grads: of `gradients`.
    """

    model: nn.Module
    batches: Sequence[Any]
    losses: Losses
    quantizer: Quantizer
    tolerance: float
    grads: Mapping[str, Sequence[Tensor | None]]

    def faults(self, table: SensitivityTable) -> list[Fault]:
        """Where the figures differ from autograd's, and weights with a gradient left out."""
        names = {id(weight): name for name, weight in matrices(self.model).items()}
        found, truth = [], {}
        for index, layer in enumerate(table.layers):
            weight = _parameter(self.model, layer.parameter)
            if weight is None or id(weight) not in names:
                found.append(Fault("unknown layer", f"{layer.name}: no weight {layer.parameter}"))
                continue
            truth[index] = names[id(weight)], self._moves(weight, table, index)
        scores = {i: _scores(moves, self.grads[name]) for i, (name, moves) in truth.items()}
        largest = max((float(want.abs().max()) for want in scores.values()), default=0.0)
        for index, want in scores.items():
            name, moves = truth[index]
            if reached(self.grads[name]) or not bool(moves.any()):
                found += self._differences(table, index, want, largest)
            else:
                words = f"{table.layers[index].name}: accepted although no gradient reaches it"
                found.append(Fault("zero scores", words))
        for name, rows in self.grads.items():
            if reached(rows) and name not in [name for name, _ in truth.values()]:
                found.append(_left_out(table, name))
        if found:
            return found
        for index, (name, moves) in truth.items():
            if "diag_fisher" in table.omega:
                want = _squares(moves, self.grads[name])
                found += self._compared("diag_fisher", table, index, want)
            if "loss" in table.omega:
                want = self._increases(self.model.get_parameter(name), moves)
                found += self._compared("loss", table, index, want)
        return found

    def _moves(self, weight: Tensor, table: SensitivityTable, index: int) -> Tensor:
        """(items of the layer, *shape) perturbations Q_b(w) - w in float64."""
        kept, dim = weight.detach(), table.layers[index].channel_dim
        labels = table.labels[table.items(index)]
        changes = [self.quantizer(kept, int(label), dim=dim) - kept for label in labels]
        return torch.stack(changes).double()

    def _differences(
        self, table: SensitivityTable, index: int, want: Tensor, largest: float
    ) -> list[Fault]:
        """Of a layer's scores (N, items), and of Omega."""
        name, items = table.layers[index].name, table.items(index)
        got = torch.tensor(table.scores["fisher"][:, items]).double()
        if got.shape != want.shape:
            words = f"{name}: {tuple(got.shape)}, autograd {tuple(want.shape)}"
            return [Fault("wrong shape", words)]
        own, gap = float(want.abs().max()), (got - want).abs()
        # What is nothing but rounding beside the other layers' scores differs at will.
        if not bool((gap <= self.tolerance * max(own, 1e-5 * largest)).all()):
            row, item = divmod(int(gap.nan_to_num(torch.inf).argmax()), want.shape[1])
            where = f"{name} {tuple(table.layers[index].shape)}, sample {row}, item {item}"
            score, right = float(got[row, item]), float(want[row, item])
            return [Fault("wrong scores", f"{where}: score {score:.6g}, autograd {right:.6g}")]
        return self._compared("fisher", table, index, got.square().mean(dim=0) / 2)

    def _compared(
        self, metric: str, table: SensitivityTable, index: int, want: Tensor
    ) -> list[Fault]:
        """Of one metric's Omega of a layer."""
        got = torch.tensor(table.omega[metric][table.items(index)])
        near = 3 * self.tolerance * float(want.abs().max()) + 1e-4 * self.tolerance
        if bool(((got - want).abs() <= near).all()):
            return []
        worst = int((got - want).abs().argmax())
        words = f"{table.layers[index].name}: {got[worst]:.6g}, reference {want[worst]:.6g}"
        return [Fault(f"wrong {metric}", words)]

    @torch.no_grad()
    def _increases(self, weight: Tensor, moves: Tensor) -> Tensor:
        """(items,) mean loss with the weight quantized, minus the mean loss."""
        kept, means = weight.detach().clone(), []
        for move in (torch.zeros_like(moves[0]), *moves):
            weight.copy_(kept + move)
            values = [self.losses(self.model, batch) for batch in self.batches]
            means.append(torch.cat(values).double().mean())
        weight.copy_(kept)
        return torch.stack(means[1:]) - means[0]


def _scores(moves: Tensor, rows: Sequence[Tensor | None]) -> Tensor:
    """(N, items): each sample's gradient times each perturbation."""
    flat = moves.flatten(1)
    zero = flat.new_zeros(len(flat))
    return torch.stack([zero if row is None else flat @ row.double().flatten() for row in rows])


def _squares(moves: Tensor, rows: Sequence[Tensor | None]) -> Tensor:
    """(items,) half the mean squared gradient times the squared perturbation, weight by weight."""
    flat = moves.flatten(1).square()
    total = sum(row.double().flatten().square() for row in rows if row is not None)
    return flat @ total / len(rows) / 2


def _left_out(table: SensitivityTable, name: str) -> Fault:
    missing = table.coverage.missing
    if name in missing:
        return Fault("left out", f"{name}: {missing[name]}")
    return Fault("left out in silence", name)


def _parameter(model: nn.Module, name: str) -> Tensor | None:
    try:
        return model.get_parameter(name)
    except AttributeError:
        return None
