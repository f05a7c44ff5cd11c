"""HAWQ-V3's integer programs for ResNet-18 and ResNet-50, built from the published numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from bitknap.problems import Instance
from bitknap.problems.library.hawq import BITS, LIMITS, source_data

RESOURCES = {"size": "size_bits", "bops": "bops", "latency": "latency_10ps"}
_STAGES = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
_SIZE_UNIT = {"resnet18": 1 << 20, "resnet50": 10**6}
_SOURCE = (
    "HAWQ-V3 (Yao et al., ICML 2021), github.com/Zhen-Dong/HAWQ at "
    "1616df69fdd99f100a8d8a6e78742e0a89292634, ILP.ipynb and bit_config.py, MIT licence"
)


def hawq_v3_instances() -> dict[str, Instance]:
    """The eighteen instances by library name, built from the published numbers.

    Layer l at b = 4 or 8 bits costs trace_l ||dw_{l,b}||^2 (the traces are per weight already),
    a product of decimals rounded once to float64. Its weight is exact:

    * ``size``: number of weights times b, in bits;
    * ``bops``: multiplications times b^2;
    * ``latency``: as measured on an NVIDIA T4, in units of 1e-8 ms = 10 ps.

    A limit named a is cost(all 4) + a (cost(all 8) - cost(all 4)), rounded down to a unit,
    which no choice can tell from the unrounded limit. The convolutions that a residual sum
    joins are tied. First and last layer stay at 8 bits and are not part of the program.

    References:
        Z. Yao et al., HAWQ-V3: Dyadic Neural Network Quantization, ICML 2021, arXiv 2011.10680.
    """
    return {
        f"hawq_v3/{network}_{resource}_{float(limit)}": _instance(network, data, resource, limit)
        for network, data in source_data().items()
        for resource in RESOURCES
        for limit in LIMITS
    }


def _instance(network: str, data: dict[str, Any], resource: str, limit: Fraction) -> Instance:
    names = _layer_names(network)
    weight = [[_weight(network, data, resource, i, b) for b in BITS] for i in range(len(names))]
    low, high = sum(w for w, _ in weight), sum(w for _, w in weight)
    cost = [
        [float(data["Hutchinson_trace"][i] * data[f"delta_weights_{b}bit_square"][i]) for b in BITS]
        for i in range(len(names))
    ]
    return Instance(
        name=f"hawq_v3/{network}_{resource}_{float(limit)}",
        offsets=np.arange(0, 2 * len(names) + 1, 2),
        cost=np.array(cost).ravel(),
        weight=np.array(weight).reshape(1, -1),
        capacity=np.array([int(low + limit * (high - low))]),
        class_names=names,
        labels=tuple(map(str, BITS)) * len(names),
        resources=(RESOURCES[resource],),
        ties=tuple(tuple(pair) for pair in data["ties"]),
        source=_SOURCE,
    )


def _weight(network: str, data: dict[str, Any], resource: str, i: int, bits: int) -> int:
    exact = {
        "size": Fraction(data["parameters"][i]) * _SIZE_UNIT[network] * bits,
        "bops": Fraction(data["bops"][i]) * 10**6 * bits**2,
        "latency": Fraction(data[f"latency_int{bits}"][i]) * 10**8,
    }[resource]
    assert exact.denominator == 1, f"{resource} of layer {i} is no whole number of units"
    return int(exact)


def _layer_names(network: str) -> tuple[str, ...]:
    """The convolutions of the residual blocks as torchvision names them, in the source's order."""
    convolutions = 2 if network == "resnet18" else 3
    names = []
    for stage, blocks in enumerate(_STAGES[network], start=1):
        for block in range(blocks):
            prefix = f"layer{stage}.{block}"
            names += [f"{prefix}.conv{c}" for c in range(1, convolutions + 1)]
            if block == 0 and (stage > 1 or convolutions == 3):
                names.append(f"{prefix}.downsample")
    return tuple(names)
