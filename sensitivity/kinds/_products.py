"""Scores of per-sample gradients, which are formed block by block and never all held at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import chunk_floats, chunks

SINGLE_MACS = 1 << 22
"""A product of this many multiply-accumulates or more is formed on its own."""

BLOCK_FLOATS = 1 << 18
"""Floats of a product formed at once: they stay in one core's cache (1 MB in float32)."""

SPLIT_WEIGHTS, PARTS = 1 << 15, 8
"""Weights from which on a contraction is split, and in how many parts: threads share these."""


def contract_products(left: Tensor, right: Tensor, delta: Tensor) -> Tensor:
    """<left_n right_n, dW_j> for every sample n and perturbation j.

    Args:
        left: (N, O, P) output gradients.
        right: (N, P, K) what each of the P positions reads.
        delta: (J, O, K) perturbations.

    Returns:
        (N, J).
    """
    samples, outputs, positions = left.shape
    width = delta.shape[2]
    flat = delta.flatten(1)
    result = delta.new_zeros(samples, len(delta))
    if has_onednn(delta) and positions * outputs * width >= SINGLE_MACS:
        for block in chunks(outputs, BLOCK_FLOATS // width):
            changes = flat[:, block.start * width : block.stop * width]
            for sample in range(samples):
                product = _multiply(left[sample, block], right[sample].T)
                result[sample] += changes @ product.flatten()
        return result
    step = min(samples, max(1, chunk_floats(delta) // (outputs * width)))
    # Memory that is given back and taken again must be mapped again, which costs as much.
    products = left.new_empty(step, outputs, width)
    for part in chunks(samples, step):
        some = products[: part.stop - part.start]
        torch.bmm(left[part], right[part], out=some)
        result[part] = contract(some.flatten(1), flat)
    return result


def contract(gradients: Tensor, changes: Tensor) -> Tensor:
    """(n, J) products of (n, m) gradients with (J, m) perturbations.

    A product of few rows and columns over many weights is not shared between threads.
    """
    if changes.shape[1] < SPLIT_WEIGHTS or changes.shape[1] % PARTS:
        return (changes @ gradients.T).T
    left, right = (rows.reshape(len(rows), PARTS, -1) for rows in (gradients, changes))
    return torch.bmm(left.transpose(0, 1), right.permute(1, 2, 0)).sum(dim=0)


def has_onednn(tensor: Tensor) -> bool:
    """Whether oneDNN multiplies such matrices: float32 on a CPU.

    It uses the full width of any processor's vectors; MKL uses half of it on some of AMD's.
    """
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and _AVAILABLE


_AVAILABLE = bool(torch.backends.mkldnn.is_available()) and hasattr(  # type: ignore[no-untyped-call]
    torch.ops.mkldnn, "_linear_pointwise"
)


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """a b' by oneDNN."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return product
