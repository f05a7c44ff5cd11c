"""HAWQ-V3's published allocations for ResNet-18."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np

from ..instance import IntArray
from . import FOLDER

LIMITS = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
BITS = (4, 8)

_PUBLISHED_KEY = {"size": "modelsize", "bops": "bops", "latency": "latency"}


def published_allocations() -> dict[str, IntArray]:
    """The nine published ResNet-18 choices by library name: 0 is 4 bits, 1 is 8 bits."""
    published = {}
    for network, data in source_data().items():
        for resource, key in _PUBLISHED_KEY.items():
            for limit in LIMITS:
                bits = data.get("published_bits", {}).get(f"{key}_{float(limit)}")
                if bits is not None:
                    name = f"hawq_v3/{network}_{resource}_{float(limit)}"
                    published[name] = np.array([BITS.index(int(b)) for b in bits])
    return published


def source_data() -> dict[str, Any]:
    """The numbers of the published programs, by network; decimals as fractions."""
    text = (FOLDER / "hawq_v3" / "source" / "hawq_v3.json").read_text(encoding="utf-8")
    networks: dict[str, Any] = json.loads(text, parse_float=Fraction)["networks"]
    return networks
