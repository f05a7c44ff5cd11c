"""Mixed-precision-like classes under limits of size, BOPs, latency and activation memory."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from ..instance import Instance, IntArray
from ..schema import Range
from .base import Budget, Classes, Deviation, Largest, Seed, Width, checked, regular_instance
from .mpq import bit_widths, layer_costs, layer_sizes

RESOURCES = ("size_bits", "bops", "latency_ns", "activation_bits")


@checked
def generate(  # noqa: PLR0913, one keyword per parameter of the family
    classes: Classes = 54,
    bits: tuple[Width, ...] = (2, 4, 8),
    activation_bits: tuple[Width, ...] = (),
    resources: Annotated[int, Range(1, 4)] = 3,
    budget: Budget = 4.0,
    seed: Seed = 1,
    spread: Deviation = 3.0,
    noise: Deviation = 0.3,
    largest: Largest = 1.0,
) -> Instance:
    """Layers with n_l weights, m_l = n_l r_l multiplications and a_l activations.

    An item is a pair (b, c) of weight and activation bits, or b for both when
    ``activation_bits`` is empty. Its usages, of which the first ``resources`` are limited:

        size_bits = n_l b        bops = m_l b c
        latency_ns = 2000 + m_l (b + c) f_l / 10^5    activation_bits = a_l c

    r_l (reuse: positions per weight is applied at), a_l, and the efficiency f_l of the layer's
    kernel are log-normal; latencies have noise of 5 %, as measured tables do. Costs are the sum
    of a weight and an activation term, each as in ``mpq``. Capacity k lies the fraction
    (budget - b_min) / (b_max - b_min) of the way from the smallest to the largest usage: for
    the size that is ``budget`` bits per weight on average.

    Args:
        activation_bits: candidate activation bit-widths, or empty.
        resources: how many of size, BOPs, latency, activation memory are limited.
        spread: standard deviation of the logarithm of a layer's sensitivity.
        noise: standard deviation of the logarithm of each cost.
        largest: the largest cost.

    Raises:
        DataError: a parameter is out of its range.
    """
    widths = bit_widths(bits, budget)
    rng = np.random.default_rng(seed)
    cost = layer_costs(rng, classes, widths, spread, noise)
    b, c, labels = widths, widths, tuple(map(str, bits))
    if activation_bits:
        other = bit_widths(activation_bits, max(activation_bits))
        activation_cost = layer_costs(rng, classes, other, spread, noise)
        cost = (cost[:, :, None] + activation_cost[:, None, :]).reshape(classes, -1)
        b, c = np.repeat(widths, len(other)), np.tile(other, len(widths))
        labels = tuple(f"{x}/{y}" for x in bits for y in activation_bits)
    weight = _usages(rng, classes, b, c)[:resources]
    low, high = weight.min(axis=2).sum(axis=1), weight.max(axis=2).sum(axis=1)
    width = int(widths.max() - widths.min())
    share = min((budget - int(widths.min())) / width, 1.0) if width else 1.0
    capacity = [int(a) + int(share * int(z - a)) for a, z in zip(low, high, strict=True)]
    return regular_instance(
        name=f"mpq_multi-{classes}-{len(labels)}-{resources}-{seed}",
        cost=cost / cost.max() * largest,
        weight=weight,
        capacity=np.array(capacity),
        labels=labels,
        resources=RESOURCES[:resources],
        source=f"mpq_multi: classes {classes}, bits {bits}, activation_bits {activation_bits}, "
        f"resources {resources}, budget {budget}, seed {seed}, spread {spread}, noise {noise}, "
        f"largest {largest}",
    )


def _usages(rng: np.random.Generator, count: int, b: IntArray, c: IntArray) -> IntArray:
    """(4, L, m) size, BOPs, latency and activation memory."""
    sizes = layer_sizes(rng, count)
    reuse = np.clip(np.exp(rng.normal(4.5, 1.5, count)), 1.0, 1e4)
    macs = (np.minimum(sizes, 10**9) * reuse).astype(np.int64)
    activations = np.clip(np.exp(rng.normal(11.0, 1.0, count)), 1.0, 1e9).astype(np.int64)
    speed = np.exp(rng.normal(0.0, 0.5, (count, 1)))
    jitter = np.exp(rng.normal(0.0, 0.05, (count, len(b))))
    latency = 2000 + (macs[:, None] * (b + c) * speed * jitter / 1e5).astype(np.int64)
    return np.stack(
        [sizes[:, None] * b, macs[:, None] * (b * c), latency, activations[:, None] * c]
    )
