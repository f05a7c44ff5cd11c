"""Narrow MobileNetV2 (0.39 M weights) on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

from ..networks.mobilenetv2 import MobileNetV2
from .base import Workload, fashion_classifier
from .recipe import Recipe

RECIPE = Recipe(network=MobileNetV2, weight_decay=1e-4, autocast=False)


def build(data: Path | None = None) -> Workload:
    """Build the workload; arguments and errors as for `fashion_classifier`."""
    title = "MobileNetV2 (16 to 104 channels) on Fashion-MNIST"
    return fashion_classifier(title, RECIPE, __file__, data)
