"""HAWQ-V3's integer programs for ResNet-18 and ResNet-50, and its published allocations."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np

from ..instance import Instance, IntArray
from . import FOLDER

LIMITS = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
RESOURCES = {"size": "size_bits", "bops": "bops", "latency": "latency_10ps"}
BITS = (4, 8)

_PUBLISHED_KEY = {"size": "modelsize", "bops": "bops", "latency": "latency"}
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
        for network, data in _data().items()
        for resource in RESOURCES
        for limit in LIMITS
    }


def published_allocations() -> dict[str, IntArray]:
    """The nine published ResNet-18 choices by library name: 0 is 4 bits, 1 is 8 bits."""
    published = {}
    for network, data in _data().items():
        for resource, key in _PUBLISHED_KEY.items():
            for limit in LIMITS:
                bits = data.get("published_bits", {}).get(f"{key}_{float(limit)}")
                if bits is not None:
                    name = f"hawq_v3/{network}_{resource}_{float(limit)}"
                    published[name] = np.array([BITS.index(int(b)) for b in bits])
    return published


def _data() -> dict[str, Any]:
    text = (FOLDER / "hawq_v3" / "source" / "hawq_v3.json").read_text(encoding="utf-8")
    networks: dict[str, Any] = json.loads(text, parse_float=Fraction)["networks"]
    return networks


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
