"""Mixed-precision-like classes: heavy-tailed layer sizes, costs over many orders of magnitude."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..instance import FloatArray, Instance, IntArray
from .base import at_least, regular_instance


def generate(
    classes: int = 54,
    bits: tuple[int, ...] = (2, 4, 8),
    budget: float = 4.0,
    seed: int = 1,
    spread: float = 3.0,
    noise: float = 0.3,
    largest: float = 1.0,
    resolution: int = 0,
) -> Instance:
    """Layers with n_l weights and sensitivity s_l, quantized to b bits.

    n_l is log-normal (median e^11, log-deviation 2), s_l log-normal with log-deviation
    ``spread``, and:

        weight = n_l b,    cost = s_l 4^-b exp(noise * N(0, 1)),    capacity = floor(budget sum n_l)

    Costs fall with b within a layer. They are scaled so that the largest is ``largest``.

    Args:
        classes: number of layers L.
        bits: candidate bit-widths.
        budget: bits a weight on average.
        seed: of ``numpy.random.default_rng``.
        spread: standard deviation of log s_l.
        noise: standard deviation of the logarithm of each cost.
        largest: the largest cost; real sensitivities go down to 1e-9 and below.
        resolution: 0 keeps floats; else costs are integers from 0 to ``resolution``.

    Raises:
        DataError: bits repeat or are not 1 to 32, or the budget is below the fewest bits.
    """
    at_least(classes=(classes, 1), resolution=(resolution, 0))
    widths = bit_widths(bits, budget)
    if not (np.isfinite(largest) and largest > 0.0 and spread >= 0.0 and noise >= 0.0):
        raise DataError("largest must be positive, spread and noise must not be negative")
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
    """The bit-widths as an array, checked.

    Raises:
        DataError: they repeat, are not 1 to 32, or all exceed the budget.
    """
    if not bits or len(set(bits)) < len(bits) or not all(1 <= b <= 32 for b in bits):
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
