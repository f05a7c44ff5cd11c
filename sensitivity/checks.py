"""Refuse, in one sentence, a network or data from which no table can be made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from bitknap.problems.errors import DataError, UnsupportedError

from .tracing.gradients import equal_within_rounding
from .tracing.tracer import BatchTrace


def refuse_unready(model: nn.Module) -> None:
    """Refuse what is not a network, trains, or has weights without values."""
    if not isinstance(model, nn.Module):
        raise DataError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise UnsupportedError(
                f"the lazy parameter {name} has no shape yet; run the model once on a batch first"
            )
        if parameter.is_meta:
            raise UnsupportedError(
                f"the parameter {name} is on the meta device and has no values; load the weights"
            )
        if parameter.is_inference():
            raise UnsupportedError(
                f"the parameter {name} was made under torch.inference_mode, so it has no "
                "gradients; build the model outside of it"
            )
    refuse_training(model)


def refuse_training(model: nn.Module) -> None:
    """Refuse a model with any module in training mode."""
    training = next((name for name, module in model.named_modules() if module.training), None)
    if training is not None:
        where = f"its module {training!r}" if training else "it"
        raise UnsupportedError(
            f"the model must be in evaluation mode, but {where} is in training mode; "
            "call model.eval() first"
        )


def refuse_unsteady(traces: Sequence[BatchTrace], again: Tensor) -> None:
    """Refuse losses that are not finite, or other ones when the first batch is run again.

    Args:
        again: (N,) losses of the first batch from a second run.
    """
    for number, trace in enumerate(traces):
        if not bool(torch.isfinite(trace.losses).all()):
            worst = int((~torch.isfinite(trace.losses)).nonzero()[0])
            where = "the first batch" if number == 0 else f"batch {number}"
            value = float(trace.losses[worst])
            raise DataError(f"the loss of sample {worst} of {where} is {value}")
    first = traces[0].losses
    same = first.shape == again.shape
    if not same or not bool(equal_within_rounding(again, first, first, traces[0].eps).all()):
        gap = float((first - again).abs().max()) if same else float("nan")
        raise UnsupportedError(
            f"two runs on the same batch give losses up to {gap:.2g} apart; switch off dropout and "
            "other randomness"
        )
