"""Scores of products: by per-sample gradients, formed block by block, or by replayed outputs."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import chunk_floats, chunks

TRAFFIC = 24
"""Multiply-accumulates that take as long as writing and reading one entry of a gradient."""

SINGLE_MACS = 1 << 22
"""A product of this many multiply-accumulates or more is formed on its own."""

BLOCK_FLOATS = 1 << 18
"""Floats of a product formed at once: they stay in one core's cache (1 MB in float32)."""

SPLIT_WEIGHTS, PARTS = 1 << 15, 8
"""Weights from which on a contraction is split, and in how many parts: threads share these."""


def replay_is_faster(positions: int, choices: int) -> bool:
    """Whether replaying J perturbations is faster than a gradient and its contraction.

    For a weight of m entries used at P positions per sample, replaying costs J m P products; the
    contraction of the sample's gradient costs J m and its traffic, in the time of products, 24 m.
    """
    return positions * choices <= choices + TRAFFIC


def score_products(left: Tensor, right: Tensor, delta: Tensor) -> Tensor:
    """⟨left_n right_n, dW_j⟩ for every sample n and perturbation j, the faster way.

    Args:
        left: (N, O, P) output gradients.
        right: (N, P, K) what each of the P positions reads.
        delta: (J, O, K) perturbations.

    Returns:
        (N, J).
    """
    replay = replay_is_faster(left.shape[2], len(delta))
    return (_replayed if replay else _contracted)(left, right, delta)


def _replayed(left: Tensor, right: Tensor, delta: Tensor) -> Tensor:
    samples, outputs, positions = left.shape
    choices = len(delta)
    stacked = delta.flatten(0, 1).T
    result = left.new_empty(samples, choices)
    for part in chunks(samples, 4 * chunk_floats(delta) // (positions * choices * outputs)):
        moved = (right[part] @ stacked).reshape(-1, positions, choices, outputs)
        moved *= left[part].transpose(1, 2).unsqueeze(2)
        result[part] = moved.sum(dim=(1, 3))
    return result


def _contracted(left: Tensor, right: Tensor, delta: Tensor) -> Tensor:
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
    # Memory that is freed and allocated again must be mapped again, which costs as much.
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
