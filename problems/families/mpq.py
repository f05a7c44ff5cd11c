"""Mixed-precision-like classes: heavy-tailed layer sizes, costs over many orders of magnitude."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from ..errors import DataError
from ..instance import FloatArray, Instance, IntArray
from ..schema import Range
from .base import Budget, Classes, Deviation, Largest, Seed, Width, checked, regular_instance


@checked
def generate(
    classes: Classes = 54,
    bits: tuple[Width, ...] = (2, 4, 8),
    budget: Budget = 4.0,
    seed: Seed = 1,
    spread: Deviation = 3.0,
    noise: Deviation = 0.3,
    largest: Largest = 1.0,
    resolution: Annotated[int, Range(0, 1 << 53)] = 0,
) -> Instance:
    """Layers with n_l weights and sensitivity s_l, quantized to b bits.

    n_l is log-normal (median e^11, log-deviation 2), s_l log-normal with log-deviation
    ``spread``, and:

        weight = n_l b,    cost = s_l 4^-b exp(noise * N(0, 1)),    capacity = floor(budget sum n_l)

    Costs fall with b within a layer. They are scaled so that the largest is ``largest``.

    Args:
        spread: standard deviation of log s_l.
        noise: standard deviation of the logarithm of each cost.
        largest: the largest cost; real sensitivities go down to 1e-9 and below.
        resolution: 0 keeps floats; else costs are integers from 0 to ``resolution``.

    Raises:
        DataError: bits repeat, or the budget is below the fewest bits.
    """
    widths = bit_widths(bits, budget)
    rng = np.random.default_rng(seed)
    sizes = layer_sizes(rng, classes)
    cost = layer_costs(rng, classes, widths, spread, noise)
    cost = cost / cost.max() * largest
    if resolution:
        cost = np.rint(cost * (resolution / cost.max()))
    return regular_instance(
        name=f"mpq-{classes}-{len(bits)}-{seed}",
        cost=cost,
        weight=(sizes[:, None] * widths)[None],
        capacity=np.array([int(budget * int(sizes.sum()))]),
        labels=tuple(map(str, bits)),
        resources=("size_bits",),
        source=f"mpq: classes {classes}, bits {bits}, budget {budget}, seed {seed}, spread "
        f"{spread}, noise {noise}, largest {largest}, resolution {resolution}",
    )


def bit_widths(bits: tuple[int, ...], budget: float) -> IntArray:
    """The bit-widths as an array, checked."""
    if not bits or len(set(bits)) < len(bits):
        raise DataError(f"bits must be different integers from 1 to 32, got {bits}")
    if not budget >= min(bits):
        raise DataError(
            f"the budget of {budget} bits is below the fewest bits {min(bits)}; raise it"
        )
    return np.array(bits, dtype=np.int64)


def layer_sizes(rng: np.random.Generator, count: int) -> IntArray:
    """(count,) numbers of weights, log-normal between 1 and 10^10."""
    return np.clip(np.exp(rng.normal(11.0, 2.0, count)), 1.0, 1e10).astype(np.int64)


def layer_costs(
    rng: np.random.Generator, count: int, widths: IntArray, spread: float, noise: float
) -> FloatArray:
    """(count, m) costs s_l 4^-b with noise, falling with the bits in each layer."""
    sensitivity = np.exp(rng.normal(0.0, spread, (count, 1)))
    scatter = np.exp(rng.normal(0.0, noise, (count, len(widths))))
    cost = sensitivity * scatter * 4.0 ** -widths.astype(np.float64)
    order = np.argsort(widths)
    cost[:, order] = -np.sort(-cost[:, order], axis=1)
    return cost
