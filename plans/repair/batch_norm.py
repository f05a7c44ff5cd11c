"""Batch-norm statistics of the quantized network: running means and variances estimated again.

With quantized weights the inputs of a batch norm have another mean and variance than those that
its buffers hold. One pass over the calibration data with batch norm, and batch norm alone, in
training mode gives mean and unbiased variance of every batch; the buffers take their averages,
weighted by the samples of the batches.

References:
    X. Sun, J. Choi et al., Hybrid 8-bit floating point training and inference, NeurIPS 2019,
    section 2.2 (re-tuning of batch-norm statistics).
"""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from bitknap.problems.errors import UnsupportedError

from .base import Quantized, samples_of


class BatchNorm:
    """See the module."""

    symmetric = False

    def __call__(self, quantized: Quantized) -> None:
        """Change running means and variances, and nothing else.

        Raises:
            UnsupportedError: a batch gives a batch norm one value per channel.
        """
        norms = [
            module
            for module in quantized.network.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        if not norms:
            return
        kept = [
            {name: value.clone() for name, value in norm.named_buffers(recurse=False)}
            for norm in norms
        ]
        momenta = [norm.momentum for norm in norms]
        with ExitStack() as stack:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.reset_running_stats()
                norm.train()
                stack.callback(norm.eval)
                stack.callback(setattr, norm, "momentum", momentum)
            self._run(quantized, norms)
        for norm, buffers in zip(norms, kept, strict=True):
            used = bool(norm.num_batches_tracked)
            for name, value in buffers.items():
                if not used or name == "num_batches_tracked":
                    getattr(norm, name).copy_(value)

    @staticmethod
    def _run(quantized: Quantized, norms: list[_BatchNorm]) -> None:
        done = 0
        for batch in quantized.batches:
            count = samples_of(batch)
            done += count
            for norm in norms:
                norm.momentum = count / done
            try:
                with torch.no_grad():
                    quantized.forward(quantized.network, batch)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise UnsupportedError(
                    "batch-norm statistics cannot be estimated from a batch with one value per "
                    "channel; use larger calibration batches, or repair='none'"
                ) from error


REPAIR = BatchNorm()
