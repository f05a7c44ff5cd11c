"""Batch-norm statistics corrected by what quantization changes of them.

With quantized weights the inputs of a batch norm have another mean and variance than those that
its buffers hold. One pass over the calibration data with batch norm, and batch norm alone, in
training mode gives mean and unbiased variance of every batch, and their averages weighted by the
samples of the batches: m_q and v_q of the quantized network, m_f and v_f of the float one. Then

    mean <- mean + m_q - m_f,    var <- var + (v_q - v_f) (var + eps) / (v_f + eps).

What the calibration data have by chance cancels, and so does what the network's own statistics
lag behind its weights: where quantization changes nothing, nothing changes. Statistics that are
merely estimated anew, (m_q, v_q), do damage of their own, which at 8 bits is far above that of
quantization.

References:
    X. Sun, J. Choi et al., Hybrid 8-bit floating point training and inference, NeurIPS 2019,
    section 2.2 (re-tuning of batch-norm statistics). The difference to the float network is ours.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.problems.errors import UnsupportedError

from .base import Quantized, samples_of

Statistics = dict[str, tuple[Tensor, Tensor]]
"""Mean and variance (C,) of each batch norm that runs, by its name."""


class BatchNorm:
    """See the module."""

    symmetric = False

    def __call__(self, quantized: Quantized) -> None:
        """Change running means and variances, and nothing else.

        Raises:
            UnsupportedError: a batch gives a batch norm one value per channel.
        """
        norms = _norms(quantized.network)
        if not norms:
            return
        floats = quantized.once("statistics", lambda: _statistics(quantized, quantized.model))
        found = _statistics(quantized, quantized.network)
        for name in found.keys() & floats.keys():
            (mean, var), (float_mean, float_var) = found[name], floats[name]
            norm = norms[name]
            norm.running_mean += mean - float_mean
            scale = (norm.running_var + norm.eps) / (float_var + norm.eps)
            norm.running_var += (var - float_var) * scale
            norm.running_var.clamp_(min=0)


def _norms(network: nn.Module) -> dict[str, Any]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }


def _statistics(quantized: Quantized, network: nn.Module) -> Statistics:
    """Of the calibration data in a network, which is left as it was."""
    norms = _norms(network)
    with ExitStack() as stack:
        for norm in norms.values():
            for name, value in norm.named_buffers(recurse=False):
                stack.callback(getattr(norm, name).copy_, value.clone())
            stack.callback(setattr, norm, "momentum", norm.momentum)
            stack.callback(norm.train, norm.training)
            norm.reset_running_stats()
            norm.train()
        _run(quantized, network, list(norms.values()))
        return {
            name: (norm.running_mean.clone(), norm.running_var.clone())
            for name, norm in norms.items()
            if norm.num_batches_tracked
        }


def _run(quantized: Quantized, network: nn.Module, norms: list[Any]) -> None:
    done = 0
    for batch in quantized.batches:
        count = samples_of(batch)
        done += count
        for norm in norms:
            norm.momentum = count / done
        try:
            with torch.no_grad():
                quantized.forward(network, batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UnsupportedError(
                "batch-norm statistics cannot be estimated from a batch with one value per "
                "channel; use larger calibration batches, or repair='none'"
            ) from error


REPAIR = BatchNorm()
